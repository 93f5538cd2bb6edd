// ObjectsKind: plans and addresses of `kind: objects`. Stateless; any thread.
#include "objects/objects_kind.h"

#include <algorithm>
#include <filesystem>

#include "engine/written_plan.h"
#include "objects/objects_plan.h"
#include "objects/objects_run.h"
#include "objects/socket_backend.h"

namespace dunlin::objects {
namespace {

using engine::CommandLine;
using engine::Plan;

/// Why the first of the problems makes a plan unusable here.
Result<ObjectsPlan> decode(const Json& document) {
  std::vector<std::string> problems;
  ObjectsPlan plan = decode_objects_plan(document, problems);
  if (!problems.empty()) return Error(ErrorType::plan_invalid, problems.front());
  return plan;
}

/// An address that means the same from any working directory.
Result<std::string> absolute(const std::string& text) {
  DUNLIN_ASSIGN(Address address, parse_address(text));
  std::error_code code;
  const auto path = std::filesystem::absolute(address.socket_path, code);
  if (code) return error_from_errno(code.value(), "find the working directory");
  address.socket_path = path.lexically_normal().string();
  return address.text();
}

class ObjectsKind final : public engine::Kind, public engine::WrittenPlans {
 public:
  [[nodiscard]] std::string_view name() const override { return "objects"; }
  [[nodiscard]] std::string_view item_noun() const override { return "objects"; }

  /// One object address is enough: the mixed form gets an explanation instead of a file named
  /// "mem:".
  [[nodiscard]] bool accepts(const CommandLine& line) const override {
    return (line.verb == "copy" || line.verb == "move") &&
           std::any_of(line.positional.begin(), line.positional.end(),
                       [](const std::string& word) { return is_object_address(word); });
  }

  [[nodiscard]] Result<Json> plan_for(const CommandLine& line) const override {
    if (line.verb != "copy") {
      return Error(ErrorType::invalid_input,
                   "objects can be copied but not moved: use `dunlin copy SRC DST`");
    }
    if (line.positional.size() != 2 || !is_object_address(line.positional[0]) ||
        !is_object_address(line.positional[1])) {
      return Error(
          ErrorType::invalid_input,
          "copy objects from one address to another: `dunlin copy mem:SOCKET#BUCKET/PREFIX "
          "mem:SOCKET#BUCKET/PREFIX`; a file of that name is written ./mem:...");
    }
    DUNLIN_ASSIGN(const std::string source, absolute(line.positional[0]));
    DUNLIN_ASSIGN(const std::string destination, absolute(line.positional[1]));
    Json strategy = Json::object();
    for (const auto& [option, key] : {std::pair("conflict", "conflict_resolution"),
                                      std::pair("multipart-threshold", "multipart_threshold"),
                                      std::pair("part-size", "part_size")}) {
      const auto at = line.options.find(option);
      if (at != line.options.end()) strategy[key] = at->second;
    }
    Json document = {{"kind", "objects"},
                     {"source", {{"address", source}}},
                     {"destination", {{"address", destination}}}};
    if (!strategy.empty()) document["strategy"] = std::move(strategy);
    std::vector<std::string> problems = check(document);
    if (!problems.empty()) return Error(ErrorType::invalid_input, problems.front());
    return document;
  }

  [[nodiscard]] std::vector<std::string> check(const Json& document) const override {
    std::vector<std::string> problems;
    static_cast<void>(decode_objects_plan(document, problems));
    return problems;
  }

  [[nodiscard]] std::vector<std::string> check_places(const Json& document) const override {
    const auto plan = decode(document);
    if (!plan.ok()) return {};
    const Address& from = plan->source;
    const Address& to = plan->destination;
    if (from.socket_path != to.socket_path || from.bucket != to.bucket ||
        !to.prefix.starts_with(from.prefix))
      return {};
    const bool same = to.prefix == from.prefix;
    if (!same && !from.prefix.empty() && !from.prefix.ends_with('/')) return {};
    return {"/destination/address: " +
            std::string(same ? "is the source itself; name another prefix or bucket"
                             : "lies inside of the source, so the copy would copy itself; name a "
                               "prefix outside of it")};
  }

  /// The destination address as a path, so that a prefix within another one is seen as such.
  [[nodiscard]] Result<std::vector<engine::Claim>> claims(const Plan& plan) const override {
    DUNLIN_ASSIGN(const auto objects, decode(plan.document));
    std::string claim = objects.destination.text();
    while (claim.ends_with('/')) claim.pop_back();
    return std::vector<engine::Claim>{std::move(claim)};
  }

  [[nodiscard]] std::string describe(const Plan& plan) const override {
    const auto objects = decode(plan.document);
    if (!objects.ok()) return "copy objects";
    return "copy " + objects->source.text() + " to " + objects->destination.text();
  }

  [[nodiscard]] Json schema() const override { return objects_schema(); }

  [[nodiscard]] Result<std::unique_ptr<engine::Run>> open(const Plan& plan) const override {
    DUNLIN_ASSIGN(auto objects, decode(plan.document));
    const auto backend = [](const Address& address) {
      return std::make_unique<SocketBackend>(address.socket_path, address.bucket);
    };
    auto source = backend(objects.source);
    auto destination = backend(objects.destination);
    return std::unique_ptr<engine::Run>(std::make_unique<ObjectsRun>(
        std::move(objects), std::move(source), std::move(destination)));
  }
};

}  // namespace

std::unique_ptr<engine::Kind> make_objects_kind() {
  return std::make_unique<ObjectsKind>();
}

}  // namespace dunlin::objects
