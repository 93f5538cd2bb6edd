// The registry of error types and the table of errno. Immutable data; any thread.
#include "base/error.h"

#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/check.h"
#include "base/redact.h"
#include "base/text.h"

namespace dunlin {
namespace {

constexpr ErrorTypeInfo kErrorTypes[] = {
#define DUNLIN_ERROR_TYPE(name, category, retriable, user_action, severity, scope, summary, \
                          remediation)                                                      \
  {ErrorType::name,   #name,       ErrorCategory::category,                                 \
   retriable,         user_action, ErrorSeverity::severity,                                 \
   ErrorScope::scope, summary,     remediation},
#include "base/error_types.def"
#undef DUNLIN_ERROR_TYPE
};

struct ErrnoRow {
  int code;
  ErrorType on_read;
  ErrorType on_write;
};

constexpr ErrnoRow same(int code, ErrorType type) {
  return {code, type, type};
}
// What stands in the way at a path: for a read the source is no longer what was listed, for a write
// somebody else's item is at the destination.
constexpr ErrnoRow in_the_way(int code) {
  return {code, ErrorType::source_changed, ErrorType::destination_exists};
}
constexpr ErrnoRow device(int code) {
  return {code, ErrorType::read_error, ErrorType::write_error};
}

// Every errno that the calls on files, directories, attributes, locks and sockets document (man 2,
// Linux 6).
constexpr ErrnoRow kErrnoRows[] = {
    // The device or the file system is broken.
    device(EIO),
    device(EUCLEAN),
    device(EBADMSG),
    device(ENODATA),
    device(EHWPOISON),
    device(ENOMEDIUM),
    device(EMEDIUMTYPE),
    device(EREMOTEIO),
    // Space and limits.
    same(ENOSPC, ErrorType::disk_full),
    same(EDQUOT, ErrorType::quota_exceeded),
    same(EROFS, ErrorType::read_only_destination),
    same(EMFILE, ErrorType::too_many_open_files),
    same(ENFILE, ErrorType::too_many_open_files),
    same(ENOMEM, ErrorType::out_of_memory),
    same(ENOBUFS, ErrorType::out_of_memory),
    // Passing states.
    same(EAGAIN, ErrorType::temporary_failure),
    same(EINTR, ErrorType::temporary_failure),
    same(EBUSY, ErrorType::temporary_failure),
    same(ETXTBSY, ErrorType::temporary_failure),
    same(EDEADLK, ErrorType::temporary_failure),
    same(ENOLCK, ErrorType::temporary_failure),
    same(EINPROGRESS, ErrorType::temporary_failure),
    same(EALREADY, ErrorType::temporary_failure),
    same(EUSERS, ErrorType::temporary_failure),
    same(ECANCELED, ErrorType::interrupted),
    // Access.
    same(EACCES, ErrorType::permission_denied),
    same(EPERM, ErrorType::permission_denied),
    same(ENOKEY, ErrorType::permission_denied),  // fscrypt: the directory's key is not loaded
    same(EKEYEXPIRED, ErrorType::permission_denied),
    same(EKEYREVOKED, ErrorType::permission_denied),
    same(EKEYREJECTED, ErrorType::permission_denied),
    // What is or is not there.
    {ENOENT, ErrorType::source_vanished, ErrorType::destination_changed},
    {ESTALE, ErrorType::source_changed, ErrorType::destination_changed},
    same(EEXIST, ErrorType::destination_exists),
    same(ENOTEMPTY, ErrorType::destination_exists),
    in_the_way(ENOTDIR),
    in_the_way(EISDIR),
    in_the_way(ELOOP),
    same(ESRCH, ErrorType::not_found),
    // What the file system cannot hold.
    same(ENAMETOOLONG, ErrorType::invalid_name),
    same(EILSEQ, ErrorType::invalid_name),
    same(EINVAL, ErrorType::unsupported_item),
    same(EFBIG, ErrorType::unsupported_item),
    same(EMLINK, ErrorType::unsupported_item),
    same(EOVERFLOW, ErrorType::unsupported_item),
    same(E2BIG, ErrorType::unsupported_item),
    same(ERANGE, ErrorType::unsupported_item),
    same(EOPNOTSUPP, ErrorType::unsupported_item),
    same(ENOSYS, ErrorType::unsupported_item),
    same(ENOTTY, ErrorType::unsupported_item),
    same(EXDEV, ErrorType::unsupported_item),
    same(ENXIO, ErrorType::unsupported_item),
    same(ENODEV, ErrorType::unsupported_item),
    same(ENOTBLK, ErrorType::unsupported_item),
    same(ESPIPE, ErrorType::unsupported_item),
    same(EMSGSIZE, ErrorType::invalid_data),
    same(ENOEXEC, ErrorType::invalid_input),
    same(EADDRINUSE, ErrorType::invalid_input),
    // The network, also under NFS, CIFS and FUSE (whose mount answers ENOTCONN when its daemon is
    // gone).
    same(ETIMEDOUT, ErrorType::network_timeout),
    same(ECONNRESET, ErrorType::connection_reset),
    same(ECONNABORTED, ErrorType::connection_reset),
    same(ENETRESET, ErrorType::connection_reset),
    same(EPIPE, ErrorType::connection_reset),
    same(ESHUTDOWN, ErrorType::connection_reset),
    same(EPROTO, ErrorType::connection_reset),
    same(ENOTCONN, ErrorType::endpoint_unreachable),
    same(ECONNREFUSED, ErrorType::endpoint_unreachable),
    same(EHOSTUNREACH, ErrorType::endpoint_unreachable),
    same(ENETUNREACH, ErrorType::endpoint_unreachable),
    same(EHOSTDOWN, ErrorType::endpoint_unreachable),
    same(ENETDOWN, ErrorType::endpoint_unreachable),
    same(EADDRNOTAVAIL, ErrorType::endpoint_unreachable),
    same(EAFNOSUPPORT, ErrorType::endpoint_unreachable),
    same(EPROTONOSUPPORT, ErrorType::endpoint_unreachable),
    same(ENOLINK, ErrorType::endpoint_unreachable),
    same(ECOMM, ErrorType::endpoint_unreachable),
    // Calls we should not have made.
    same(EBADF, ErrorType::defect),
    same(EFAULT, ErrorType::defect),
    same(ENOTSOCK, ErrorType::defect),
    same(EISCONN, ErrorType::defect),
    same(EDESTADDRREQ, ErrorType::defect),
    same(ENOPROTOOPT, ErrorType::defect),
    same(ECHILD, ErrorType::defect),
};

ErrorType type_of_errno(int errno_value, bool on_write) {
  for (const ErrnoRow& row : kErrnoRows) {
    if (row.code == errno_value) return on_write ? row.on_write : row.on_read;
  }
  if (errno_value == 0) return ErrorType::defect;
  // A code we have never heard of comes from the system, not from the item: treat it as a failing
  // device.
  return on_write ? ErrorType::write_error : ErrorType::read_error;
}

}  // namespace

const ErrorTypeInfo& info(ErrorType type) {
  const auto index = static_cast<std::size_t>(type);
  DUNLIN_CHECK(index < std::size(kErrorTypes), "an ErrorType outside of the registry");
  return kErrorTypes[index];
}

const std::vector<ErrorTypeInfo>& all_error_types() {
  static const std::vector<ErrorTypeInfo> types(std::begin(kErrorTypes), std::end(kErrorTypes));
  return types;
}

std::optional<ErrorType> error_type_from_name(std::string_view name) {
  for (const ErrorTypeInfo& row : kErrorTypes) {
    if (row.name == name) return row.type;
  }
  return std::nullopt;
}

std::string_view to_string(ErrorType type) {
  return info(type).name;
}

std::string_view to_string(ErrorCategory category) {
  switch (category) {
    case ErrorCategory::transient:
      return "transient";
    case ErrorCategory::validation:
      return "validation";
    case ErrorCategory::constraint:
      return "constraint";
    case ErrorCategory::system:
      return "system";
    case ErrorCategory::fatal:
      return "fatal";
  }
  return "unknown";
}

std::string_view to_string(ErrorSeverity severity) {
  switch (severity) {
    case ErrorSeverity::info:
      return "info";
    case ErrorSeverity::warning:
      return "warning";
    case ErrorSeverity::error:
      return "error";
    case ErrorSeverity::critical:
      return "critical";
  }
  return "unknown";
}

std::string_view to_string(ErrorScope scope) {
  switch (scope) {
    case ErrorScope::item:
      return "item";
    case ErrorScope::batch:
      return "batch";
    case ErrorScope::endpoint:
      return "endpoint";
    case ErrorScope::execution:
      return "execution";
    case ErrorScope::process:
      return "process";
  }
  return "unknown";
}

std::string Error::text() const {
  std::string line = message;
  if (!context.empty()) {
    line += " (";
    for (std::size_t i = 0; i < context.size(); ++i) {
      line += i == 0 ? "while " : ", while ";
      line += context[i];
    }
    line += ')';
  }
  if (!native.code.empty()) {
    line += " [";
    if (!native.domain.empty()) line += native.domain + ' ';
    line += native.code + ']';
  }
  return printable(redact(line));
}

std::string Error::remedy(std::string_view execution) const {
  std::string text = remediation.empty() ? std::string(info(type).remediation) : remediation;
  for (std::size_t at = text.find("%E"); at != std::string::npos; at = text.find("%E", at)) {
    text.replace(at, 2, execution);
    at += execution.size();
  }
  return redact(text);
}

Error error_from_errno(int errno_value, std::string_view what, bool on_write) {
  Error error(type_of_errno(errno_value, on_write), printable(what));
  const char* description = strerrordesc_np(errno_value);
  error.message += ": ";
  error.message += description != nullptr ? description : "unknown error";
  const char* name = strerrorname_np(errno_value);
  error.native = {"errno", name != nullptr ? name : std::to_string(errno_value)};
  if (errno_value == EFBIG) {
    error.remediation =
        "raise the limit of file sizes (`ulimit -f`) or choose a file system that holds larger "
        "files, then run `dunlin retry %E`";
  }
  return error;
}

}  // namespace dunlin
