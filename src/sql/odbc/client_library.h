// The driver manager of unixODBC, loaded when the first address of ODBC is opened, as libpq is
// (postgresql/libpq.h). The drivers themselves are loaded by it.
//
// Any thread; loaded once for the life of the process.
#pragma once

#include <sql.h>
#include <sqlext.h>
#include <sqlucode.h>

#include "base/result.h"

namespace dunlin::sql {

#define DUNLIN_ODBC_FUNCTIONS(each)                                                           \
  each(SQLAllocHandle) each(SQLCancel) each(SQLDescribeCol) each(SQLDescribeColW)             \
      each(SQLDisconnect) each(SQLDriverConnect) each(SQLDriverConnectW) each(SQLExecDirect)  \
          each(SQLExecDirectW) each(SQLFetch) each(SQLFreeHandle) each(SQLGetData)            \
              each(SQLGetDiagRec) each(SQLGetDiagRecW) each(SQLGetInfo) each(SQLMoreResults)  \
                  each(SQLNumResultCols) each(SQLPrepare) each(SQLPrepareW) each(SQLRowCount) \
                      each(SQLSetConnectAttr) each(SQLSetEnvAttr) each(SQLSetStmtAttr)

/// Its own functions under their own names: odbc().SQLFetch(statement).
struct OdbcLibrary {
#define DUNLIN_ODBC_MEMBER(name) decltype(&::name) name = nullptr;
  DUNLIN_ODBC_FUNCTIONS(DUNLIN_ODBC_MEMBER)
#undef DUNLIN_ODBC_MEMBER
};

/// endpoint_unreachable, with the package to install, when it is not on this machine.
[[nodiscard]] Status load_odbc();
/// After load_odbc() has succeeded once.
[[nodiscard]] const OdbcLibrary& odbc();

}  // namespace dunlin::sql
