#include "base/error.h"

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/result.h"

namespace dunlin {
namespace {

struct ErrnoCase {
  int code;
  const char* name;
  ErrorType on_read;
  ErrorType on_write;
};

#define BOTH(code, type)                          \
  ErrnoCase {                                     \
    code, #code, ErrorType::type, ErrorType::type \
  }
#define APART(code, read, write)                   \
  ErrnoCase {                                      \
    code, #code, ErrorType::read, ErrorType::write \
  }
const std::vector<ErrnoCase> kErrnoCases = {
    APART(EIO, read_error, write_error),
    APART(EUCLEAN, read_error, write_error),
    APART(EBADMSG, read_error, write_error),
    APART(ENODATA, read_error, write_error),
    APART(EHWPOISON, read_error, write_error),
    APART(ENOMEDIUM, read_error, write_error),
    APART(EMEDIUMTYPE, read_error, write_error),
    APART(EREMOTEIO, read_error, write_error),
    BOTH(ENOSPC, disk_full),
    BOTH(EDQUOT, quota_exceeded),
    BOTH(EROFS, read_only_destination),
    BOTH(EMFILE, too_many_open_files),
    BOTH(ENFILE, too_many_open_files),
    BOTH(ENOMEM, out_of_memory),
    BOTH(ENOBUFS, out_of_memory),
    BOTH(EAGAIN, temporary_failure),
    BOTH(EINTR, temporary_failure),
    BOTH(EBUSY, temporary_failure),
    BOTH(ETXTBSY, temporary_failure),
    BOTH(EDEADLK, temporary_failure),
    BOTH(ENOLCK, temporary_failure),
    BOTH(EINPROGRESS, temporary_failure),
    BOTH(EALREADY, temporary_failure),
    BOTH(EUSERS, temporary_failure),
    BOTH(ECANCELED, interrupted),
    BOTH(EACCES, permission_denied),
    BOTH(EPERM, permission_denied),
    BOTH(ENOKEY, permission_denied),
    BOTH(EKEYEXPIRED, permission_denied),
    BOTH(EKEYREVOKED, permission_denied),
    BOTH(EKEYREJECTED, permission_denied),
    APART(ENOENT, source_vanished, destination_changed),
    APART(ESTALE, source_changed, destination_changed),
    BOTH(EEXIST, destination_exists),
    BOTH(ENOTEMPTY, destination_exists),
    APART(ENOTDIR, source_changed, destination_exists),
    APART(EISDIR, source_changed, destination_exists),
    APART(ELOOP, source_changed, destination_exists),
    BOTH(ESRCH, not_found),
    BOTH(ENAMETOOLONG, invalid_name),
    BOTH(EILSEQ, invalid_name),
    BOTH(EINVAL, unsupported_item),
    BOTH(EFBIG, unsupported_item),
    BOTH(EMLINK, unsupported_item),
    BOTH(EOVERFLOW, unsupported_item),
    BOTH(E2BIG, unsupported_item),
    BOTH(ERANGE, unsupported_item),
    BOTH(EOPNOTSUPP, unsupported_item),
    BOTH(ENOSYS, unsupported_item),
    BOTH(ENOTTY, unsupported_item),
    BOTH(EXDEV, unsupported_item),
    BOTH(ENXIO, unsupported_item),
    BOTH(ENODEV, unsupported_item),
    BOTH(ENOTBLK, unsupported_item),
    BOTH(ESPIPE, unsupported_item),
    BOTH(EMSGSIZE, invalid_data),
    BOTH(ENOEXEC, invalid_input),
    BOTH(EADDRINUSE, invalid_input),
    BOTH(ETIMEDOUT, network_timeout),
    BOTH(ECONNRESET, connection_reset),
    BOTH(ECONNABORTED, connection_reset),
    BOTH(ENETRESET, connection_reset),
    BOTH(EPIPE, connection_reset),
    BOTH(ESHUTDOWN, connection_reset),
    BOTH(EPROTO, connection_reset),
    BOTH(ENOTCONN, endpoint_unreachable),
    BOTH(ECONNREFUSED, endpoint_unreachable),
    BOTH(EHOSTUNREACH, endpoint_unreachable),
    BOTH(ENETUNREACH, endpoint_unreachable),
    BOTH(EHOSTDOWN, endpoint_unreachable),
    BOTH(ENETDOWN, endpoint_unreachable),
    BOTH(EADDRNOTAVAIL, endpoint_unreachable),
    BOTH(EAFNOSUPPORT, endpoint_unreachable),
    BOTH(EPROTONOSUPPORT, endpoint_unreachable),
    BOTH(ENOLINK, endpoint_unreachable),
    BOTH(ECOMM, endpoint_unreachable),
    BOTH(EBADF, defect),
    BOTH(EFAULT, defect),
    BOTH(ENOTSOCK, defect),
    BOTH(EISCONN, defect),
    BOTH(EDESTADDRREQ, defect),
    BOTH(ENOPROTOOPT, defect),
    BOTH(ECHILD, defect),
    BOTH(0, defect),
    APART(99999, read_error, write_error),
};

TEST(ErrnoTable, EachRow) {
  for (const ErrnoCase& row : kErrnoCases) {
    EXPECT_EQ(to_string(error_from_errno(row.code, "x").type), to_string(row.on_read)) << row.name;
    EXPECT_EQ(to_string(error_from_errno(row.code, "x", true).type), to_string(row.on_write))
        << row.name;
  }
}

TEST(ErrnoTable, TheMessageNamesTheThingAndTheCode) {
  const Error error = error_from_errno(ENOSPC, "write '/a/b'", true);
  EXPECT_EQ(error.message, "write '/a/b': No space left on device");
  EXPECT_EQ(error.text(), "write '/a/b': No space left on device [errno ENOSPC]");
  EXPECT_EQ(error_from_errno(99999, "x").native.code, "99999");
}

TEST(ErrnoTable, AHostileNameStaysOnOneLine) {
  EXPECT_EQ(error_from_errno(EIO, "open 'a\n\x1b[2J\xff'").message,
            "open 'a\\x0a\\x1b[2J\\xff': Input/output error");
}

TEST(ErrorRegistry, RowsAreFoundByTypeAndByName) {
  std::set<std::string_view> names;
  for (const ErrorTypeInfo& row : all_error_types()) {
    EXPECT_EQ(&info(row.type), &info(*error_type_from_name(row.name)));
    EXPECT_EQ(info(row.type).name, row.name);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_FALSE(row.summary.empty()) << row.name;
    EXPECT_FALSE(row.remediation.empty()) << row.name;
  }
  EXPECT_EQ(error_type_from_name("no_such_error"), std::nullopt);
  EXPECT_EQ(error_type_from_name(""), std::nullopt);
}

// engine.md X-15: the engine decides by category, so a row must not contradict its own.
TEST(ErrorRegistry, CategoriesAgreeWithTheirFlags) {
  for (const ErrorTypeInfo& row : all_error_types()) {
    if (row.category == ErrorCategory::transient) {
      EXPECT_TRUE(row.retriable && !row.user_action) << row.name;
    }
    if (row.category == ErrorCategory::validation || row.category == ErrorCategory::constraint ||
        row.category == ErrorCategory::fatal) {
      EXPECT_FALSE(row.retriable) << row.name;
    }
    if (row.category == ErrorCategory::system) {
      EXPECT_TRUE(row.user_action) << row.name;
      EXPECT_EQ(row.severity, ErrorSeverity::critical) << row.name;
    }
  }
}

TEST(ErrorValue, TextGivesContextAndNativeCode) {
  Error error(ErrorType::database_locked, "the ledger is locked");
  EXPECT_EQ(error.text(), "the ledger is locked");
  error.with_context("ending batch 3").with_context("running tests");
  error.native = {"sqlite", "SQLITE_BUSY"};
  EXPECT_EQ(
      error.text(),
      "the ledger is locked (while ending batch 3, while running tests) [sqlite SQLITE_BUSY]");
  error.native.domain.clear();
  EXPECT_TRUE(error.text().ends_with(" [SQLITE_BUSY]"));
}

TEST(ErrorValue, RemedyNamesTheExecution) {
  const Error full(ErrorType::disk_full, "full");
  EXPECT_EQ(full.remedy("7"), "free space at the place named above, then run `dunlin resume 7`");
  Error own(ErrorType::disk_full, "full");
  own.remediation = "%E and %E";
  EXPECT_EQ(own.remedy("last"), "last and last");
  EXPECT_EQ(own.remedy("%E"), "%E and %E");
}

TEST(ErrorValue, EveryWordOfTheEnumsPrints) {
  for (const ErrorTypeInfo& row : all_error_types()) {
    EXPECT_NE(to_string(row.category), "unknown");
    EXPECT_NE(to_string(row.severity), "unknown");
    EXPECT_NE(to_string(row.scope), "unknown");
  }
  EXPECT_EQ(to_string(ErrorCategory::transient), "transient");
  EXPECT_EQ(to_string(ErrorSeverity::critical), "critical");
  EXPECT_EQ(to_string(ErrorScope::endpoint), "endpoint");
}

Result<int> half(int n) {
  if (n % 2 != 0) return Error(ErrorType::invalid_input, "odd");
  return n / 2;
}

Result<int> quarter(int n) {
  DUNLIN_ASSIGN(const int once, half(n));
  DUNLIN_TRY(half(once).with_context("halving again"));
  return half(once);
}

TEST(ResultValue, CarriesTheValueOrTheFirstError) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(3).error().text(), "odd");
  EXPECT_EQ(quarter(6).error().text(), "odd (while halving again)");
}

TEST(ResultValueDeathTest, AnErrorTakenForAValueEndsTheProcess) {
  EXPECT_DEATH(static_cast<void>(half(1).value()), "odd");
  EXPECT_DEATH(Status(Error(ErrorType::disk_full, "no room")).value(), "no room");
  EXPECT_DEATH(DUNLIN_CHECK(1 == 2, "arithmetic"),
               "defect: arithmetic \\(1 == 2\\) at .*error_test");
}

}  // namespace
}  // namespace dunlin
