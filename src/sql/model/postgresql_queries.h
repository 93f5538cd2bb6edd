// What is asked of PostgreSQL's catalogue, version 15 and up; $1 is the list of schemas by oid.
// Used by postgresql_reader.cpp alone. Nothing is asked per object.
#pragma once

#include <string_view>

namespace dunlin::sql::model::ask {

/// $1: names, none: all that are not the server's.
inline constexpr std::string_view kSchemas =
    "SELECT n.oid, n.nspname, coalesce(obj_description(n.oid, 'pg_namespace'), '') "
    "FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' "
    "AND (cardinality($1::text[]) = 0 OR n.nspname = ANY ($1::text[])) "
    "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass "
    "AND d.objid = n.oid AND d.deptype = 'e')";

/// Pages rather than pg_total_relation_size(), which would wait for whoever alters a table.
inline constexpr std::string_view kRelations =
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, "
    "coalesce(array_to_string(c.reloptions, ', '), ''), c.relispartition, "
    "CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END, "
    "pg_get_expr(c.relpartbound, c.oid), coalesce(obj_description(c.oid, 'pg_class'), ''), "
    "c.reltuples::bigint, c.relpages::bigint * current_setting('block_size')::bigint, "
    "c.relrowsecurity, c.relforcerowsecurity, c.relreplident, coalesce(am.amname, ''), "
    "CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_am am ON am.oid = c.relam "
    "WHERE c.relnamespace = ANY ($1::oid[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
    "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass "
    "AND d.objid = c.oid AND d.deptype = 'e')";

inline constexpr std::string_view kColumns =
    "SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), e.typtype, a.attnotnull, "
    "pg_get_expr(ad.adbin, ad.adrelid), a.attgenerated, a.attidentity, "
    "CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation THEN "
    "quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END, "
    "coalesce(col_description(a.attrelid, a.attnum), ''), a.attislocal, "
    "CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END, a.attcompression, "
    "s.relname, q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache, q.seqcycle, "
    "format_type(q.seqtypid, NULL) "
    "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
    "JOIN pg_type t ON t.oid = a.atttypid "
    "JOIN pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem "
    "ELSE t.oid END "
    "LEFT JOIN pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum "
    "LEFT JOIN pg_collation co ON co.oid = a.attcollation "
    "LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace "
    "LEFT JOIN pg_depend i ON a.attidentity <> '' AND i.classid = 'pg_class'::regclass "
    "AND i.refclassid = 'pg_class'::regclass AND i.refobjid = a.attrelid "
    "AND i.refobjsubid = a.attnum AND i.deptype = 'i' "
    "LEFT JOIN pg_sequence q ON q.seqrelid = i.objid LEFT JOIN pg_class s ON s.oid = i.objid "
    "WHERE c.relnamespace = ANY ($1::oid[]) AND c.relkind IN ('r', 'p', 'v', 'm') "
    "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum";

/// Names come as JSON: there is no character that a name cannot hold.
inline constexpr std::string_view kConstraints =
    "SELECT c.conrelid, c.conname, c.contype, "
    "to_json(ARRAY(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY k(n, at) "
    "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.at)), "
    "fn.nspname, f.relname, "
    "to_json(ARRAY(SELECT a.attname FROM unnest(c.confkey) WITH ORDINALITY k(n, at) "
    "JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.at)), "
    "c.confupdtype, c.confdeltype, c.confmatchtype, "
    "to_json(ARRAY(SELECT a.attname FROM unnest(c.confdelsetcols) WITH ORDINALITY k(n, at) "
    "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.at)), "
    "c.condeferrable, c.condeferred, c.convalidated, c.connoinherit, c.conislocal, "
    "pg_get_expr(c.conbin, c.conrelid), pg_get_constraintdef(c.oid), "
    "coalesce(obj_description(c.oid, 'pg_constraint'), ''), c.conindid "
    "FROM pg_constraint c LEFT JOIN pg_class f ON f.oid = c.confrelid "
    "LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace "
    "WHERE c.connamespace = ANY ($1::oid[]) AND c.conrelid <> 0 AND c.conparentid = 0 "
    "AND c.contype IN ('p', 'u', 'f', 'c', 'x')";

/// Those of partitions that came with the parent's are not told: they come with it again.
inline constexpr std::string_view kIndexes =
    "SELECT i.indrelid, i.indexrelid, c.relname, am.amname, i.indisunique, "
    "i.indisvalid AND i.indisready, i.indnullsnotdistinct, pg_get_expr(i.indpred, i.indrelid), "
    "(SELECT json_agg(json_build_object('column', a.attname, "
    "'expression', CASE WHEN a.attname IS NULL THEN pg_get_indexdef(i.indexrelid, p.k, false) END, "
    "'descending', (i.indoption[p.k - 1] & 1) = 1, 'nulls_first', (i.indoption[p.k - 1] & 2) = 2, "
    "'class', CASE WHEN oc.opcdefault THEN NULL ELSE quote_ident(ocn.nspname) || '.' || "
    "quote_ident(oc.opcname) END, "
    "'collation', CASE WHEN i.indcollation[p.k - 1] <> 0 AND i.indcollation[p.k - 1] <> "
    "coalesce(a.attcollation, ia.attcollation) THEN quote_ident(con.nspname) || '.' || "
    "quote_ident(co.collname) WHEN a.attname IS NULL AND i.indcollation[p.k - 1] <> 0 AND "
    "i.indcollation[p.k - 1] <> it.typcollation THEN quote_ident(con.nspname) || '.' || "
    "quote_ident(co.collname) END, 'ordered', pg_indexam_has_property(c.relam, 'can_order')) "
    "ORDER BY p.k) "
    "FROM generate_series(1, i.indnkeyatts) p(k) "
    "LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[p.k - 1] "
    "AND i.indkey[p.k - 1] <> 0 "
    "JOIN pg_attribute ia ON ia.attrelid = i.indexrelid AND ia.attnum = p.k "
    "JOIN pg_type it ON it.oid = ia.atttypid "
    "JOIN pg_opclass oc ON oc.oid = i.indclass[p.k - 1] "
    "JOIN pg_namespace ocn ON ocn.oid = oc.opcnamespace "
    "LEFT JOIN pg_collation co ON co.oid = i.indcollation[p.k - 1] "
    "LEFT JOIN pg_namespace con ON con.oid = co.collnamespace), "
    "to_json(ARRAY(SELECT a.attname FROM generate_series(i.indnkeyatts + 1, i.indnatts) p(k) "
    "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[p.k - 1] "
    "ORDER BY p.k)), coalesce(array_to_string(c.reloptions, ', '), ''), "
    "coalesce(obj_description(c.oid, 'pg_class'), ''), "
    "EXISTS (SELECT 1 FROM pg_inherits h WHERE h.inhrelid = i.indexrelid), i.indisreplident, "
    "i.indisclustered, EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid "
    "AND k.contype IN ('p', 'u', 'x')) "
    "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam "
    "WHERE c.relnamespace = ANY ($1::oid[])";

inline constexpr std::string_view kInheritance =
    "SELECT h.inhrelid, n.nspname, p.relname FROM pg_inherits h "
    "JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace "
    "WHERE p.relkind IN ('r', 'p') ORDER BY h.inhrelid, h.inhseqno";

inline constexpr std::string_view kSequences =
    "SELECT n.nspname, c.relname, format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, "
    "q.seqmin, q.seqmax, q.seqcache, q.seqcycle, o.nspname, t.relname, a.attname, "
    "coalesce(obj_description(c.oid, 'pg_class'), '') "
    "FROM pg_sequence q JOIN pg_class c ON c.oid = q.seqrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid "
    "AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') "
    "LEFT JOIN pg_class t ON t.oid = d.refobjid LEFT JOIN pg_namespace o ON o.oid = t.relnamespace "
    "LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid "
    "WHERE c.relnamespace = ANY ($1::oid[]) AND d.deptype IS DISTINCT FROM 'i' "
    "AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = 'pg_class'::regclass "
    "AND e.objid = c.oid AND e.deptype = 'e')";

inline constexpr std::string_view kTypes =
    "SELECT t.oid, n.nspname, t.typname, t.typtype, "
    "to_json(ARRAY(SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = t.oid "
    "ORDER BY e.enumsortorder)), "
    "CASE t.typtype WHEN 'd' THEN 'AS ' || format_type(t.typbasetype, t.typtypmod) || "
    "coalesce(' COLLATE ' || (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) "
    "FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace JOIN pg_type b "
    "ON b.oid = t.typbasetype WHERE co.oid = t.typcollation AND b.typcollation <> co.oid), '') || "
    "coalesce(' DEFAULT ' || pg_get_expr(t.typdefaultbin, 0), '') || "
    "CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END || "
    "coalesce((SELECT string_agg(' CONSTRAINT ' || quote_ident(k.conname) || ' ' || "
    "pg_get_constraintdef(k.oid), '' ORDER BY k.conname) FROM pg_constraint k "
    "WHERE k.contypid = t.oid AND k.contype = 'c'), '') "
    "WHEN 'c' THEN 'AS (' || coalesce((SELECT string_agg(quote_ident(a.attname) || ' ' || "
    "format_type(a.atttypid, a.atttypmod) || coalesce(' COLLATE ' || (SELECT "
    "quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co JOIN "
    "pg_namespace cn ON cn.oid = co.collnamespace JOIN pg_type b ON b.oid = a.atttypid WHERE "
    "co.oid = a.attcollation AND b.typcollation <> co.oid), ''), ', ' "
    "ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 "
    "AND NOT a.attisdropped), '') || ')' "
    "WHEN 'r' THEN (SELECT 'AS RANGE (SUBTYPE = ' || format_type(r.rngsubtype, NULL) || "
    "CASE WHEN oc.opcdefault THEN '' ELSE ', SUBTYPE_OPCLASS = ' || quote_ident(ocn.nspname) || "
    "'.' || quote_ident(oc.opcname) END || "
    "CASE WHEN r.rngsubdiff = 0 THEN '' ELSE ', SUBTYPE_DIFF = ' || r.rngsubdiff::text END || "
    "', MULTIRANGE_TYPE_NAME = ' || format_type(r.rngmultitypid, NULL) || ')' FROM pg_range r "
    "JOIN pg_opclass oc ON oc.oid = r.rngsubopc JOIN pg_namespace ocn ON ocn.oid = oc.opcnamespace "
    "WHERE r.rngtypid = t.oid) ELSE '' END, "
    "coalesce(obj_description(t.oid, 'pg_type'), '') "
    "FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
    "LEFT JOIN pg_class c ON c.oid = t.typrelid "
    "WHERE t.typnamespace = ANY ($1::oid[]) AND (t.typtype IN ('e', 'd', 'r') OR "
    "(t.typtype = 'c' AND c.relkind = 'c')) "
    "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_type'::regclass "
    "AND d.objid = t.oid AND d.deptype = 'e')";

inline constexpr std::string_view kRoutines =
    "SELECT p.oid, n.nspname, p.proname, p.prokind, pg_get_function_identity_arguments(p.oid), "
    "CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END, "
    "coalesce(obj_description(p.oid, 'pg_proc'), '') "
    "FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
    "WHERE p.pronamespace = ANY ($1::oid[]) "
    "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass "
    "AND d.objid = p.oid AND d.deptype IN ('e', 'i'))";

inline constexpr std::string_view kTriggers =
    "SELECT t.tgrelid, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled, "
    "coalesce(obj_description(t.oid, 'pg_trigger'), '') "
    "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "WHERE c.relnamespace = ANY ($1::oid[]) AND NOT t.tgisinternal AND t.tgparentid = 0";

/// Kind, oid of the table or null, schema, name, statement or null.
inline constexpr std::string_view kOthers =
    "SELECT 'rule', c.oid, n.nspname, r.rulename, rtrim(pg_get_ruledef(r.oid), ';') "
    "FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relnamespace = ANY ($1::oid[]) AND r.rulename <> '_RETURN' "
    "UNION ALL SELECT 'policy', c.oid, n.nspname, p.polname, 'CREATE POLICY ' || "
    "quote_ident(p.polname) || ' ON ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) "
    "|| "
    "CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END || ' FOR ' || CASE p.polcmd "
    "WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' "
    "ELSE 'ALL' END || ' TO ' || (SELECT string_agg(CASE WHEN o = 0 THEN 'PUBLIC' ELSE "
    "quote_ident(pg_get_userbyid(o)) END, ', ' ORDER BY o) FROM unnest(p.polroles) o) || "
    "coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '') || "
    "coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '') "
    "FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relnamespace = ANY ($1::oid[]) "
    "UNION ALL SELECT 'statistics', s.stxrelid, n.nspname, s.stxname, "
    "pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s JOIN pg_namespace n "
    "ON n.oid = s.stxnamespace WHERE s.stxnamespace = ANY ($1::oid[]) "
    "UNION ALL SELECT 'extension', NULL, n.nspname, e.extname, 'CREATE EXTENSION IF NOT EXISTS ' "
    "|| "
    "quote_ident(e.extname) || ' WITH SCHEMA ' || quote_ident(n.nspname) FROM pg_extension e "
    "JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extnamespace = ANY ($1::oid[]) "
    "UNION ALL SELECT 'operator', NULL, n.nspname, o.oprname || '(' || format_type(o.oprleft, "
    "NULL) "
    "|| ', ' || format_type(o.oprright, NULL) || ')', NULL FROM pg_operator o JOIN pg_namespace n "
    "ON n.oid = o.oprnamespace WHERE o.oprnamespace = ANY ($1::oid[]) AND NOT EXISTS (SELECT 1 "
    "FROM "
    "pg_depend d WHERE d.classid = 'pg_operator'::regclass AND d.objid = o.oid AND d.deptype = "
    "'e') "
    "UNION ALL SELECT 'collation', NULL, n.nspname, o.collname, NULL FROM pg_collation o "
    "JOIN pg_namespace n ON n.oid = o.collnamespace WHERE o.collnamespace = ANY ($1::oid[])";

/// Which object (class, oid) needs which: by views, defaults, constraints, routines and types.
inline constexpr std::string_view kDependencies =
    "WITH d AS (SELECT CASE d.classid WHEN 'pg_rewrite'::regclass THEN r.ev_class "
    "WHEN 'pg_attrdef'::regclass THEN ad.adrelid WHEN 'pg_constraint'::regclass THEN "
    "CASE WHEN k.conrelid <> 0 THEN k.conrelid ELSE k.contypid END ELSE d.objid END AS obj, "
    "CASE WHEN d.classid = 'pg_proc'::regclass THEN 'p' WHEN d.classid = 'pg_type'::regclass OR "
    "k.contypid <> 0 THEN 't' ELSE 'c' END AS kind, d.refclassid, d.refobjid "
    "FROM pg_depend d LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND "
    "r.oid = d.objid LEFT JOIN pg_attrdef ad ON d.classid = 'pg_attrdef'::regclass AND "
    "ad.oid = d.objid LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND "
    "k.oid = d.objid AND k.contype = 'c' WHERE d.deptype IN ('n', 'a') AND d.classid IN "
    "('pg_rewrite'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass, "
    "'pg_proc'::regclass, 'pg_type'::regclass, 'pg_class'::regclass) AND d.refclassid IN "
    "('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass)) "
    "SELECT DISTINCT CASE WHEN d.kind = 'c' AND oc.relkind = 'c' THEN 't' ELSE d.kind END, "
    "CASE WHEN d.kind = 'c' AND oc.relkind = 'c' THEN oc.reltype ELSE d.obj END, "
    "CASE WHEN d.refclassid = 'pg_proc'::regclass THEN 'p' WHEN d.refclassid = "
    "'pg_class'::regclass "
    "THEN 'c' WHEN coalesce(e.typrelid, t.typrelid) <> 0 AND rc.relkind <> 'c' THEN 'c' "
    "ELSE 't' END, "
    "CASE WHEN d.refclassid <> 'pg_type'::regclass THEN d.refobjid WHEN "
    "coalesce(e.typrelid, t.typrelid) <> 0 AND rc.relkind <> 'c' THEN rc.oid "
    "ELSE coalesce(e.oid, t.oid) END "
    "FROM d LEFT JOIN pg_class oc ON d.kind = 'c' AND oc.oid = d.obj "
    "LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid "
    "LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' "
    "LEFT JOIN pg_class rc ON rc.oid = coalesce(e.typrelid, t.typrelid) "
    "WHERE d.obj >= 16384 AND d.refobjid >= 16384";

}  // namespace dunlin::sql::model::ask
