// See listed.h.
#include "files/listed.h"

#include "base/binary.h"
#include "files/paths.h"

namespace dunlin::files {

std::string encode_batch(BatchId batch) {
  ByteWriter out;
  out.varint(static_cast<std::uint64_t>(batch.value));
  return out.take();
}

Result<BatchId> decode_batch(std::string_view bytes) {
  ByteReader in(bytes);
  const BatchId batch(static_cast<std::int64_t>(in.varint()));
  DUNLIN_TRY(in.finish("detail of a directory"));
  return batch;
}

std::vector<store::NewPlace> places_of(const Layout& layout) {
  std::vector<store::NewPlace> places{{"", layout.source_root, layout.destination_root}};
  for (const Layout::Source& source : layout.sources)
    places.push_back({source.name, source.path(), ""});
  if (!layout.whole_tree() && !layout.several()) {
    places.push_back({layout.single_name, joined(layout.source_root, layout.single_name),
                      joined(layout.destination_root, layout.single_target)});
  }
  return places;
}

}  // namespace dunlin::files
