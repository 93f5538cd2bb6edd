// libpq, loaded when the first server is spoken to: who migrates no PostgreSQL needs no libpq, and
// no start of the program waits for its libraries (2.6 ms).
//
// Any thread; loaded once for the life of the process.
#pragma once

#include <libpq-fe.h>

#include "base/result.h"

namespace dunlin::sql {

#define DUNLIN_LIBPQ_FUNCTIONS(each)                                                               \
  each(PQbackendPID) each(PQcancel) each(PQclear) each(PQcmdTuples) each(PQconnectPoll)            \
      each(PQconnectStartParams) each(PQconnectionNeedsPassword) each(PQconsumeInput) each(PQdb)   \
          each(PQerrorMessage) each(PQfinish) each(PQflush) each(PQfname) each(PQfreeCancel) each( \
              PQfreemem) each(PQgetCancel) each(PQgetCopyData) each(PQgetResult) each(PQgetisnull) \
              each(PQgetlength) each(PQgetvalue) each(PQisBusy) each(PQnfields)                    \
                  each(PQparameterStatus) each(PQputCopyData) each(PQputCopyEnd)                   \
                      each(PQresultErrorField) each(PQresultStatus) each(PQsendQuery)              \
                          each(PQsendQueryParams) each(PQsendPrepare) each(PQsendQueryPrepared)    \
                              each(PQserverVersion) each(PQenterPipelineMode)                      \
                                  each(PQexitPipelineMode) each(PQpipelineSync)                    \
                                      each(PQpipelineStatus) each(PQntuples)                       \
                                          each(PQsetErrorVerbosity) each(PQsetNoticeReceiver)      \
                                              each(PQsetSingleRowMode) each(PQsetnonblocking)      \
                                                  each(PQsocket) each(PQstatus)                    \
                                                      each(PQtransactionStatus) each(PQuser)

/// libpq's own functions under their own names: pq().PQfinish(connection).
struct Libpq {
#define DUNLIN_LIBPQ_MEMBER(name) decltype(&::name) name = nullptr;
  DUNLIN_LIBPQ_FUNCTIONS(DUNLIN_LIBPQ_MEMBER)
#undef DUNLIN_LIBPQ_MEMBER
};

/// endpoint_unreachable, with the package to install, when it is not on this machine.
[[nodiscard]] Status load_libpq();
/// After load_libpq() has succeeded once.
[[nodiscard]] const Libpq& pq();

}  // namespace dunlin::sql
