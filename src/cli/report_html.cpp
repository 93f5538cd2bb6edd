// The page of a report; see report_html.h.
#include "cli/report_html.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/screens.h"
#include "cli/test_words.h"
#include "store/model.h"

namespace dunlin::cli {
namespace {

// Colours mean the same as in the terminal: green done, grey skipped, red failed, blue under way.
constexpr std::string_view kStyle = R"css(
:root{--ink:#1b1f24;--dim:#59636e;--line:#d8dee4;--paper:#fff;--card:#f6f8fa;--done:#2da44e;--skip:#8c959f;--fail:#cf222e;--rest:#54aeff;--warn:#9a6700}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--line:#3d444d;--paper:#0d1117;--card:#151b23;--done:#3fb950;--skip:#7d8590;--fail:#f85149;--rest:#58a6ff;--warn:#d29922}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:24px;line-height:1.3;margin:0 0 8px;overflow-wrap:anywhere}
h2{font-size:17px;margin:40px 0 12px;padding-bottom:6px;border-bottom:1px solid var(--line)}
p{margin:6px 0}.dim{color:var(--dim)}.bad{color:var(--fail)}.warn{color:var(--warn)}
.pill{display:inline-block;padding:1px 10px;border-radius:12px;font-weight:600;color:#fff;background:var(--skip)}
.pill.completed{background:var(--done)}.pill.failed{background:var(--fail)}.pill.running,.pill.paused,.pill.rolling_back{background:#0969da}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.tile b{display:block;font-size:21px;font-weight:600;font-variant-numeric:tabular-nums}
.tile span{color:var(--dim);font-size:13px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th{font-weight:600;text-align:left;color:var(--dim);font-size:12.5px}
th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.name{overflow-wrap:anywhere;font-family:ui-monospace,"SFMono-Regular","DejaVu Sans Mono",monospace;font-size:13px}
td.bar{width:34%;min-width:140px;vertical-align:middle}
td.name{min-width:150px}.bars td.name{width:30%}.facts th{width:110px;font-size:14px}
.stack{display:flex;height:12px;border-radius:3px;overflow:hidden;background:var(--line)}
.stack i{display:block;height:100%}.done{background:var(--done)}.skip{background:var(--skip)}.fail{background:var(--fail)}.rest{background:var(--rest)}
.big .stack{height:20px}
.key{color:var(--dim);font-size:13px}.key i{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 5px 0 14px}.key i:first-child{margin-left:0}
svg{display:block;width:100%;height:auto}svg text{font-size:12px;fill:var(--dim)}
code{font:13px ui-monospace,"SFMono-Regular","DejaVu Sans Mono",monospace;background:var(--card);border:1px solid var(--line);border-radius:4px;padding:1px 5px}
details summary{cursor:pointer;color:var(--dim)}
footer{margin-top:48px;color:var(--dim);font-size:13px}
@media print{main{max-width:none;padding:0}.tile,table{break-inside:avoid}}
)css";

/// As text of the page: markup and what would hide or turn other text around are made harmless.
std::string text(std::string_view raw) {
  std::string out;
  for (const char c : printable(raw)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string text_at(const Json& json, std::string_view key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? text(found->get<std::string>()) : "";
}
std::int64_t number_at(const Json& json, std::string_view key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

/// What stands between two backticks is to be typed.
std::string with_commands(std::string_view escaped) {
  std::string out;
  bool inside = false;
  for (const char c : escaped) {
    if (c != '`') {
      out += c;
      continue;
    }
    out += inside ? "</code>" : "<code>";
    inside = !inside;
  }
  return inside ? out + "</code>" : out;
}

/// "2026-11-21 21:36:03 UTC" of a time as JSON has it.
std::string when(const std::string& rfc) {
  if (rfc.size() < 19) return rfc.empty() ? "" : text(rfc);
  return text(rfc.substr(0, 10) + " " + rfc.substr(11, 8)) + " UTC";
}

std::string section(std::string_view title, std::string_view body) {
  return body.empty() ? "" : fmt::format("<section><h2>{}</h2>\n{}</section>\n", title, body);
}

std::string tile(std::string_view value, std::string_view label, std::string_view style = "") {
  return fmt::format("<div class=\"tile\"><b class=\"{}\">{}</b><span>{}</span></div>\n", style,
                     value, label);
}

/// Shares of `whole` beside each other; a share above nothing stays visible.
std::string stack(std::int64_t done, std::int64_t skipped, std::int64_t failed, std::int64_t rest,
                  std::int64_t whole) {
  std::string out = "<div class=\"stack\">";
  const auto part = [&](std::string_view style, std::int64_t count) {
    if (count <= 0 || whole <= 0) return;
    const double percent = 100.0 * static_cast<double>(count) / static_cast<double>(whole);
    out +=
        fmt::format("<i class=\"{}\" style=\"width:{:.2f}%;min-width:2px\"></i>", style, percent);
  };
  part("done", done);
  part("skip", skipped);
  part("fail", failed);
  part("rest", rest);
  return out + "</div>";
}

constexpr std::string_view kKey =
    "<p class=\"key\"><i class=\"done\"></i>done<i class=\"skip\"></i>skipped"
    "<i class=\"fail\"></i>failed<i class=\"rest\"></i>not yet, or taken back</p>\n";

std::string head(const engine::Snapshot& snapshot, const Json& report) {
  const std::string status(store::to_string(snapshot.shown_status));
  std::string out = fmt::format("<h1>{}</h1>\n<p><span class=\"pill {}\">{}</span> ",
                                text_at(report, "description"), status, text(status));
  out += fmt::format("<span class=\"dim\">execution {} · {} · {}</span></p>\n", snapshot.row.number,
                     text(snapshot.row.kind), text(snapshot.row.id.value));
  const auto reason = report.find("reason");
  if (reason != report.end() && reason->is_object())
    out += fmt::format("<p class=\"bad\">{}</p>\n", text_at(*reason, "message"));
  return out;
}

std::string tiles(const engine::Snapshot& snapshot, const Json& report) {
  const auto& counters = snapshot.row.counters;
  const Json& timing = report["timing"];
  const std::string noun = text(snapshot.noun);
  std::string out = "<div class=\"tiles\">\n";
  out += tile(format_count(counters.succeeded_items), noun + " done");
  if (counters.skipped_items > 0)
    out += tile(format_count(counters.skipped_items), noun + " skipped");
  out += tile(format_count(counters.failed_items), noun + " failed",
              counters.failed_items > 0 ? "bad" : "");
  if (counters.rolled_back_items > 0)
    out += tile(format_count(counters.rolled_back_items), noun + " taken back");
  out += tile(format_bytes(counters.transferred_bytes), "moved");
  out += tile(took(number_at(timing, "duration_seconds")), "running");
  if (const auto rate = snapshot.progress.average_bytes_per_second; rate && *rate >= 1)
    out += tile(format_rate(static_cast<std::int64_t>(*rate)), "on average");
  const std::string proof = text_at(report["verification"], "result");
  out += tile(proof == "not_run" ? "none" : proof, "proof of what arrived",
              proof == "differences" ? "bad" : "");
  out += "</div>\n";
  const std::int64_t ended =
      counters.succeeded_items + counters.skipped_items + counters.failed_items;
  out += "<div class=\"big\">" +
         stack(counters.succeeded_items, counters.skipped_items, counters.failed_items,
               std::max<std::int64_t>(counters.total_items - ended, 0),
               std::max(counters.total_items, ended)) +
         "</div>\n";
  return out + std::string(kKey);
}

std::string timing(const Json& report) {
  const Json& timing = report["timing"];
  std::string out;
  const auto line = [&out](std::string_view label, const std::string& value) {
    if (!value.empty()) out += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", label, value);
  };
  line("started", when(text_at(timing, "started_at")));
  line("ended", when(text_at(timing, "completed_at")));
  line("running", took(number_at(timing, "duration_seconds")));
  if (const auto paused = number_at(timing, "paused_duration_seconds"); paused > 0)
    line("paused", took(paused));
  line("attempts", format_count(number_at(timing, "attempts")));
  return "<table class=\"facts\">" + out + "</table>\n";
}

/// Of a test: its sample, and what that says of the whole.
std::string test_of(const engine::Snapshot& snapshot, const Json& report) {
  const Json* const test = find_member(report, "test");
  if (test == nullptr || !test->is_object()) return "";
  std::string out;
  for (const auto& [label, words] : test_in_words(*test, snapshot.noun))
    out += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", label, text(words));
  return "<table class=\"facts\">" + out + "</table>\n";
}

struct Point {
  std::int64_t ms;
  int percent;
};

/// What the milestones say of how far it was when.
std::vector<Point> course(const Json& report) {
  std::vector<Point> points;
  const auto add = [&points](const std::string& time, int percent) {
    const auto ms = parse_rfc3339(time);
    if (ms.ok() && (points.empty() || *ms >= points.back().ms)) points.push_back({*ms, percent});
  };
  const Json& timing = report["timing"];
  if (timing["started_at"].is_string()) add(timing["started_at"].get<std::string>(), 0);
  for (const Json& row : report["milestones"]) {
    const std::string name = row["name"].get<std::string>();
    for (const int percent : {25, 50, 75})
      if (name == fmt::format("percent_{}", percent)) add(row["time"].get<std::string>(), percent);
  }
  if (report["status"] == "completed" && timing["completed_at"].is_string())
    add(timing["completed_at"].get<std::string>(), 100);
  return points;
}

/// A line of what was done over time; nothing when there are too few points to say something.
std::string course_chart(const Json& report) {
  const std::vector<Point> points = course(report);
  if (points.size() < 3 || points.back().ms - points.front().ms < 2000) return "";
  constexpr double kLeft = 52, kRight = 740, kTop = 10, kBottom = 170;
  const double span = static_cast<double>(points.back().ms - points.front().ms);
  const auto x = [&](std::int64_t ms) {
    return kLeft + (kRight - kLeft) * static_cast<double>(ms - points.front().ms) / span;
  };
  const auto y = [&](int percent) { return kBottom - (kBottom - kTop) * percent / 100.0; };
  std::string out =
      "<svg viewBox=\"0 0 760 200\" role=\"img\" aria-label=\"how far it was when\">\n";
  for (const int percent : {0, 25, 50, 75, 100})
    out += fmt::format(
        "<line x1=\"{:.0f}\" x2=\"{:.0f}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"var(--line)\"/>"
        "<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{} %</text>\n",
        kLeft, kRight, y(percent), y(percent), kLeft - 6, y(percent) + 4, percent);
  std::string line;
  for (const Point& point : points)
    line += fmt::format("{:.1f},{:.1f} ", x(point.ms), y(point.percent));
  out += fmt::format(
      "<polyline points=\"{}\" fill=\"none\" stroke=\"var(--done)\" stroke-width=\"2.5\"/>\n",
      line);
  for (const Point& point : points)
    out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" fill=\"var(--done)\"/>\n",
                       x(point.ms), y(point.percent));
  out += fmt::format(
      "<text x=\"{:.0f}\" y=\"190\">start</text><text x=\"{:.0f}\" y=\"190\" "
      "text-anchor=\"end\">{} later</text>\n</svg>\n",
      kLeft, kRight,
      format_duration(std::chrono::milliseconds(points.back().ms - points.front().ms)));
  return out;
}

/// Groups with bars, as long as their share of the largest.
std::string groups(const Json& rows, std::string_view key, std::string_view title,
                   std::string_view unnamed, std::string_view hint) {
  if (rows.size() < 2) return "";
  std::int64_t most = 1;
  for (const Json& row : rows) most = std::max(most, number_at(row, "items"));
  std::string out = fmt::format(
      "{}<div class=\"scroll\"><table class=\"bars\"><tr><th>{}</th><th></th><th "
      "class=\"n\">items</th>"
      "<th class=\"n\">failed</th><th class=\"n\">size</th></tr>\n",
      hint, title);
  for (const Json& row : rows) {
    const std::int64_t items = number_at(row, "items");
    const std::int64_t done = number_at(row, "successful");
    const std::int64_t skipped = number_at(row, "skipped");
    const std::int64_t failed = number_at(row, "failed");
    std::string name =
        row[std::string(key)].is_number() ? format_count(number_at(row, key)) : text_at(row, key);
    if (number_at(row, "groups") > 1)
      name = fmt::format("{} others", format_count(number_at(row, "groups")));
    else if (name.empty())
      name = unnamed;
    out += fmt::format(
        "<tr><td class=\"name\">{}</td><td class=\"bar\">{}</td><td class=\"n\">{}</td>"
        "<td class=\"n{}\">{}</td><td class=\"n\">{}</td></tr>\n",
        name, stack(done, skipped, failed, items - done - skipped - failed, most),
        format_count(items), failed > 0 ? " bad" : "", format_count(failed),
        format_bytes(number_at(row, "bytes")));
  }
  return out + "</table></div>\n";
}

std::string results(const Json& report) {
  const Json& by = report["results_by"];
  std::string below = text_at(by, "path");
  std::string hint =
      below.empty() ? "" : fmt::format("<p class=\"dim\">All below <code>{}</code>.</p>\n", below);
  const std::string directories =
      groups(by["directories"], "path", "directory", "directly in it", hint);
  const std::string endings = groups(by["endings"], "ending", "ending", "none", "");
  const std::string types = groups(by["types"], "type", "type", "not known", "");
  const std::string sizes = groups(by["sizes"], "up_to", "size up to", "", "");
  const std::string batches = groups(by["batches"], "batch", "batch", "", "");
  return section("Results by directory", directories) + section("Results by type", types) +
         section("Results by ending", endings) + section("Results by size", sizes) +
         section("Results by batch", batches);
}

std::string tasks(const Json& report) {
  std::string out =
      "<div class=\"scroll\"><table><tr><th>task</th><th class=\"n\">tasks</th><th "
      "class=\"n\">batches</th><th class=\"n\">failed</th><th class=\"n\">items</th></tr>\n";
  for (const Json& row : report["results"])
    out += fmt::format(
        "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td></tr>\n",
        text_at(row, "task_type"), format_count(number_at(row, "tasks")),
        format_count(number_at(row, "batches")), format_count(number_at(row, "failed_batches")),
        format_count(number_at(row, "items")));
  return report["results"].empty() ? "" : out + "</table></div>\n";
}

std::string counts(const Json& by_type) {
  std::string out;
  for (const auto& [type, count] : by_type.items())
    out += fmt::format("{}<b>{}</b> {}", out.empty() ? "" : " · ",
                       format_count(count.get<std::int64_t>()), text(type));
  return out.empty() ? "" : "<p>" + out + "</p>\n";
}

std::string samples(const Json& rows, std::string_view style) {
  if (rows.empty()) return "";
  std::string out =
      "<div class=\"scroll\"><table><tr><th>where</th><th>what</th><th>what to do</th></tr>\n";
  for (const Json& row : rows)
    out +=
        fmt::format("<tr><td class=\"name\">{}</td><td class=\"{}\">{}: {}</td><td>{}</td></tr>\n",
                    text_at(row, "path"), style, text_at(row, "type"), text_at(row, "message"),
                    with_commands(text_at(row, "remediation")));
  return out + "</table></div>\n";
}

std::string errors(const Json& report) {
  const Json& errors = report["errors"];
  return counts(errors["by_type"]) + samples(errors["sample_errors"], "bad");
}

std::string warnings(const Json& report) {
  const Json& warnings = report["warnings"];
  return counts(warnings["by_type"]) + samples(warnings["samples"], "warn");
}

std::string proof(const engine::Snapshot& snapshot, const Json& report) {
  const Json& proof = report["verification"];
  std::string out =
      fmt::format("<p>Level <b>{}</b>, result <b>{}</b>: {} {} compared, {} differ.</p>\n",
                  text_at(proof, "level"), text_at(proof, "result"),
                  format_count(snapshot.row.counters.verified_items), text(snapshot.noun),
                  format_count(number_at(proof, "error_count")));
  return out + samples(proof["errors"], "bad");
}

std::string remarks(const Json& report) {
  std::string out;
  for (const Json& row : report["remarks"])
    out += fmt::format("<tr><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>\n",
                       format_count(number_at(row, "items")), text_at(row, "status"),
                       row["message"].is_string() ? text_at(row, "message") : "for other reasons");
  return out.empty() ? "" : "<table>" + out + "</table>\n";
}

std::string runs(const Json& report) {
  const Json& rows = report["runs"];
  if (rows.size() < 2) return "";
  std::int64_t longest = 1;
  for (const Json& row : rows)
    longest = std::max(longest, number_at(row, "running_duration_seconds"));
  std::string out =
      "<div class=\"scroll\"><table><tr><th "
      "class=\"n\">no</th><th>started</th><th>mode</th><th>status</th><th "
      "class=\"n\">done</th><th class=\"n\">skipped</th><th class=\"n\">failed</th><th "
      "class=\"n\">data</th><th class=\"n\">took</th><th></th></tr>\n";
  for (const Json& row : rows) {
    const std::int64_t seconds = number_at(row, "running_duration_seconds");
    out += fmt::format(
        "<tr><td class=\"n\">{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td><td class=\"bar\">{}</td></tr>\n",
        number_at(row, "number"), when(text_at(row, "started_at")), text_at(row, "mode"),
        text_at(row, "status"), format_count(number_at(row, "successful")),
        format_count(number_at(row, "skipped")), format_count(number_at(row, "failed")),
        format_bytes(number_at(row, "transferred_bytes")), took(seconds),
        stack(0, 0, 0, seconds, longest));
  }
  return out + "</table></div>\n";
}

std::string history(const Json& report) {
  struct Entry {
    std::string time, what, who;
  };
  std::vector<Entry> entries;
  for (const Json& row : report["milestones"])
    entries.push_back({text_at(row, "time"), text_at(row, "name"), ""});
  for (const Json& row : report["interventions"])
    entries.push_back({text_at(row, "time"), text_at(row, "action"), text_at(row, "actor")});
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.time < b.time; });
  std::string out;
  for (const Entry& entry : entries)
    out += fmt::format("<tr><td>{}</td><td>{}</td><td class=\"dim\">{}</td></tr>\n",
                       when(entry.time), entry.what, entry.who);
  return out.empty() ? "" : "<div class=\"scroll\"><table>" + out + "</table></div>\n";
}

std::string audit(const Json& report) {
  const Json& summary = report["audit_summary"];
  std::string out;
  for (const auto& [action, count] : summary["by_action"].items())
    out += fmt::format("<tr><td class=\"n\">{}</td><td>{}</td></tr>\n",
                       format_count(count.get<std::int64_t>()), text(action));
  return fmt::format(
      "<p>Entries: {}. Checkpoints kept: {}.</p>\n<details><summary>entries by action</summary>"
      "<table>{}</table></details>\n",
      format_count(number_at(summary, "total_audit_entries")),
      format_count(static_cast<std::int64_t>(report["checkpoints"].size())), out);
}

}  // namespace

std::string report_html(const engine::Snapshot& snapshot, const Json& report,
                        std::string_view version) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n<title>{} – dunlin</title>\n<style>{}</style></head>\n<body><main>\n",
      text_at(report, "description"), kStyle);
  out += head(snapshot, report) + tiles(snapshot, report);
  out += section("Test", test_of(snapshot, report));
  out += section("Timing", timing(report) + course_chart(report));
  out += section("Errors", errors(report)) + section("Warnings", warnings(report));
  out += section("Proof", proof(snapshot, report));
  out += results(report);
  out += section("Results by task", tasks(report)) + section("Remarks", remarks(report));
  out += section("The same, this time and before", runs(report));
  out += section("What happened, and who did it", history(report));
  out += section("Audit and checkpoints", audit(report));
  return out + fmt::format(
                   "<footer>Written by dunlin {}. The same as data: <code>dunlin report {} "
                   "--format json</code></footer>\n</main></body></html>\n",
                   text(version), snapshot.row.number);
}

}  // namespace dunlin::cli
