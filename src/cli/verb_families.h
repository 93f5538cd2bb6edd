// The verb families, one file each; Application adds them in the order in which help shows them.
#pragma once

#include "cli/verbs.h"

namespace dunlin::cli {

void add_copy_verbs(Verbs& verbs);     ///< copy, load, migrate up
void add_run_verbs(Verbs& verbs);      ///< run, resume, verify, rollback, retry, run-owner
void add_control_verbs(Verbs& verbs);  ///< pause, cancel, stop, skip
void add_end_verbs(Verbs& verbs);      ///< accept, delete
void add_watch_verbs(Verbs& verbs);    ///< ps, status, watch
void add_detail_verbs(Verbs& verbs);   ///< items, errors, tasks, checkpoints
void add_report_verbs(Verbs& verbs);   ///< report
void add_manifest_verb(Verbs& verbs);  ///< manifest
void add_audit_verbs(Verbs& verbs);    ///< audit show, verify, export
void add_lineage_verb(Verbs& verbs);   ///< lineage
void add_plan_verbs(Verbs& verbs);     ///< plan create, list, show, check, delete, schema
void add_user_verbs(Verbs& verbs);     ///< user add, list, role, remove, token, whoami
void add_doctor_verbs(Verbs& verbs);   ///< doctor
void add_about_verbs(Verbs& verbs);    ///< explain, version, completion, reference

}  // namespace dunlin::cli
