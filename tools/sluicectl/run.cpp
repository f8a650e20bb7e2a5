#include "run.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "check.hpp"
#include "client.hpp"
#include "config/config.hpp"
#include "http_call.hpp"
#include "reply.hpp"
#include "screen.hpp"
#include "table.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using control::CommandId;
using control::CommandRow;

constexpr Duration read_timeout = 30s;     // from memory; but of 100,000 names there is much to tell
constexpr Duration change_timeout = 30s;   // a change waits for the disk, a reload for all zones
constexpr Duration probe_timeout = 90s;    // a check may take a minute, and the daemon adds some for waiting
constexpr Duration poll_period = 30s;      // of events --follow
constexpr Duration redraw_period = 1s;     // of status --watch, and between attempts when the daemon is away
constexpr unsigned follow_limit = 10'000;  // all that the daemon keeps, so that following leaves none out
constexpr Duration clocks_apart = 1s;      // of one answer, the end may be told later by less
constexpr std::string_view clear_screen = "\x1b[H\x1b[2J";

void print(std::string_view text) { fmt::print("{}", text); }
void complain(std::string_view text) { fmt::print(stderr, "sluicectl: {}\n", text); }

ExitCode exit_code(const Error& error) {
  switch (error.code) {
    case ErrorCode::unavailable:
      return ExitCode::no_daemon;
    case ErrorCode::invalid:
    case ErrorCode::not_found:
    case ErrorCode::refused:
    case ErrorCode::forbidden:
      return ExitCode::refused;
  }
  return ExitCode::refused;
}

ExitCode fail(const Error& error) {
  complain(error.message);
  return exit_code(error);
}

// A long poll may take as long as it asks for.
Duration timeout_of(const ApiCall& call) {
  const auto* wait = call.arguments.if_contains("wait");
  const auto duration =
      wait && wait->is_string() ? parse_duration(wait->get_string()) : Result<Duration>(0ms);
  const auto usual = call.row->id == CommandId::check_run ? probe_timeout
                     : call.row->changes                  ? change_timeout
                                                          : read_timeout;
  return usual + (duration ? *duration : 0ms);
}

// The body of the daemon's reply, or its refusal, or why there is none.
Result<std::string> ask_text(const Target& target, const ApiCall& call) {
  auto reply = exchange(target, to_http(*call.row, call.arguments, call.dry_run), timeout_of(call));
  if (!reply) return reply.error();
  if (reply->status != 200) return Error{ErrorCode::refused, error_message(reply->status, reply->body)};
  return std::move(reply->body);
}

Result<json::value> ask(const Target& target, const ApiCall& call) {
  const auto body = ask_text(target, call);
  if (!body) return body.error();
  json::error_code error;
  auto value = json::parse(*body, error);
  if (error) return Error{ErrorCode::refused, "the reply is not JSON: that is not sluiced"};
  return value;
}

const CommandRow& row_of(CommandId id) {
  const auto rows = control::commands();
  return *std::find_if(rows.begin(), rows.end(), [&](const CommandRow& row) { return row.id == id; });
}

ApiCall simple_call(CommandId id) {
  ApiCall call;
  call.row = &row_of(id);
  return call;
}

// ---- what is read and shown, once or again and again ----

using Render = std::string (*)(const json::value&, Style);

ExitCode run_read(const Invocation& invocation, const ApiCall& call, Style style, Render render) {
  const auto reply = ask(invocation.target, call);
  if (!reply) return fail(reply.error());
  print(invocation.json ? pretty(*reply) : render(*reply, style));
  return ExitCode::done;
}

// What was last seen, and why nothing newer is.
struct Watched {
  json::value reply;
  std::chrono::steady_clock::time_point at;
  std::string trouble;  // empty: it is new
};

void draw(const Watched& watched, Style style, Render render) {
  const auto screen = screen_of(STDOUT_FILENO);
  if (screen.columns > 0) style.width = screen.columns;
  const auto age = std::chrono::floor<std::chrono::seconds>(std::chrono::steady_clock::now() - watched.at);
  const auto note = watched.trouble.empty() ? std::string()
                                            : fmt::format("sluicectl: {}\nwhat stands above is {} old\n",
                                                          printable(watched.trouble), to_text(Duration(age)));
  print(clear_screen);
  print(fitted(render(watched.reply, style), note, screen));
}

// Until Ctrl-C. A daemon that goes away is waited for: a restart is when one wants to watch.
ExitCode watch(const Invocation& invocation, const ApiCall& call, Style style, Render render) {
  const bool draws = ::isatty(STDOUT_FILENO) != 0 && !invocation.json;
  std::optional<Watched> watched;
  for (;; std::this_thread::sleep_for(redraw_period)) {
    auto reply = ask(invocation.target, call);
    if (!reply && (!watched || exit_code(reply.error()) != ExitCode::no_daemon)) return fail(reply.error());
    const bool is_told = watched && !watched->trouble.empty();
    if (reply)
      watched = Watched{*std::move(reply), std::chrono::steady_clock::now(), {}};
    else
      watched->trouble = reply.error().message;
    if (draws)
      draw(*watched, style, render);
    else if (!watched->trouble.empty() && !is_told)
      complain(watched->trouble);
    else if (watched->trouble.empty())  // one document a line, or one picture after the other
      print((invocation.json ? json::serialize(watched->reply) : render(watched->reply, style)) + "\n");
    if (!flush_output()) return ExitCode::refused;
  }
}

// ---- events ----

std::uint64_t last_id(const json::value& reply, std::uint64_t before) {
  const auto* events = reply.is_object() ? reply.get_object().if_contains("events") : nullptr;
  if (!events || !events->is_array() || events->get_array().empty()) return before;
  const auto* event = events->get_array().back().if_object();
  const auto* id = event ? event->if_contains("id") : nullptr;
  return id && id->is_number() ? id->to_number<std::uint64_t>() : before;
}

void show_events(const json::value& reply, bool as_json, Style style) {
  if (!as_json) return print(render_events(reply, style));
  const auto* events = reply.is_object() ? reply.get_object().if_contains("events") : nullptr;
  if (!events || !events->is_array()) return;
  for (const auto& event : events->get_array()) print(json::serialize(event) + "\n");  // a stream: one a line
}

// Until Ctrl-C. After a restart of the daemon it goes on where it was: ids only grow.
ExitCode follow_events(const Invocation& invocation, ApiCall call, Style style) {
  std::uint64_t after = 0;
  bool reached = false, complained = false;
  for (;;) {
    const auto reply = ask(invocation.target, call);
    if (!reply) {
      if (!reached || exit_code(reply.error()) != ExitCode::no_daemon) return fail(reply.error());
      if (!complained) complain(reply.error().message);
      complained = true;
      std::this_thread::sleep_for(redraw_period);
      continue;
    }
    reached = true;
    complained = false;
    show_events(*reply, invocation.json, style);
    if (!flush_output()) return ExitCode::refused;
    after = last_id(*reply, after);
    call.arguments["after"] = after;
    call.arguments["limit"] = follow_limit;
    call.arguments["wait"] = to_text(poll_period);
  }
}

// ---- endpoint drain --wait ----

// Wall time decides, also when the clock is set or the machine slept meanwhile: short steps, and a look at
// each.
void wait_until(Time end) {
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  for (auto now = wall_now(); now < end; now = wall_now()) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(end - now);
    if (terminal) fmt::print(stderr, "\rwaiting for caches, {} left   ", to_text(Duration(left)));
    std::this_thread::sleep_for(std::min<Duration>(end - now, 1s));
  }
  if (terminal) fmt::print(stderr, "\r\x1b[K");
}

// Somebody else may have taken the drain back while we waited: then the address is not out of the caches.
Result<void> check_drained(const json::value& status, const std::vector<std::string>& addresses) {
  for (const auto& address : addresses)
    if (auto why = why_not_out(status, address); !why.empty())
      return Error{ErrorCode::refused, std::move(why)};
  return {};
}

// What is drained is handed out again when nothing else is left: then its end is a later one by now.
Result<void> wait_until_out(const Invocation& invocation, std::optional<Time> until,
                            const std::vector<std::string>& addresses) {
  for (bool told = false;;) {
    if (until) wait_until(*until);
    const auto status = ask(invocation.target, simple_call(CommandId::status));
    if (!status) return status.error();
    if (auto drained = check_drained(*status, addresses); !drained) return drained;
    const Time now = wall_now();
    const auto later = held_until(*status, addresses, now);
    if (!later) return {};
    if (!told && *later >= until.value_or(now) + clocks_apart) {
      complain(fmt::format("{} handed out again meanwhile: the wait goes on, until {} UTC at least",
                           addresses.size() == 1 ? "it was" : "some were", clock_text(*later)));
      told = true;
    }
    until = later;
  }
}

ExitCode wait_for_caches(const Invocation& invocation, const json::value& reply) {
  const auto addresses = addresses_of(reply);
  if (const auto out = wait_until_out(invocation, cached_until(reply), addresses); !out)
    return fail(out.error());
  if (!invocation.json)
    print(fmt::format("no cache that honours the TTL holds {} any more\n",
                      addresses.size() == 1 ? "it" : "them"));
  return ExitCode::done;
}

// ---- version ----

ExitCode show_version(const Invocation& invocation, const ApiCall& call) {
  const auto reply = ask(invocation.target, call);
  if (invocation.json) {
    print(pretty(json::object{{"sluicectl", SLUICE_VERSION}, {"sluiced", reply ? *reply : json::value()}}));
    return ExitCode::done;
  }
  print("sluicectl " SLUICE_VERSION "\n");
  print(reply ? render_version(*reply) : fmt::format("sluiced   not reached: {}\n", reply.error().message));
  return ExitCode::done;
}

// ---- all commands of the table ----

ExitCode show_text(const Invocation& invocation, const ApiCall& call) {
  const auto body = ask_text(invocation.target, call);
  if (!body) return fail(body.error());
  print(invocation.json ? pretty(json::value(*body)) : *body);
  return ExitCode::done;
}

ExitCode run_change(const Invocation& invocation, const ApiCall& call, Style style) {
  const auto reply = ask(invocation.target, call);
  if (!reply) return fail(reply.error());
  print(invocation.json ? pretty(*reply) : render_change(*reply, wall_now(), style));
  std::fflush(stdout);
  if (call.wait && !call.dry_run) return wait_for_caches(invocation, *reply);
  return ExitCode::done;
}

ExitCode run_api(const Invocation& invocation, const ApiCall& call, Style style) {
  const auto run_view = [&](Render render) {
    return (call.watch ? watch : run_read)(invocation, call, style, render);
  };
  switch (call.row->id) {
    case CommandId::status:
      return run_view(render_status);
    case CommandId::rollout_status:
    case CommandId::rollout_history:
      return run_view(render_rollouts);
    case CommandId::rolling_status:
    case CommandId::rolling_history:
      return run_view(render_rollings);
    case CommandId::events:
      return call.follow ? follow_events(invocation, call, style) : run_view(render_events);
    case CommandId::explain:
      return run_view(render_explain);
    case CommandId::check_run:
      return run_view(render_check_run);
    case CommandId::version:
      return show_version(invocation, call);
    case CommandId::metrics:
      return show_text(invocation, call);
    case CommandId::weight_set:
    case CommandId::weight_reset:
    case CommandId::class_route:
    case CommandId::class_unroute:
    case CommandId::endpoint_drain:
    case CommandId::endpoint_undrain:
    case CommandId::endpoint_up:
    case CommandId::endpoint_down:
    case CommandId::endpoint_auto:
    case CommandId::check_report:
    case CommandId::canary_start:
    case CommandId::bluegreen_switch:
    case CommandId::rollout_pause:
    case CommandId::rollout_resume:
    case CommandId::rollout_promote:
    case CommandId::rollout_abort:
    case CommandId::rollout_undo:
    case CommandId::rolling_start:
    case CommandId::rolling_pause:
    case CommandId::rolling_resume:
    case CommandId::rolling_abort:
    case CommandId::reload:
      return run_change(invocation, call, style);
  }
  return ExitCode::usage;
}

// ---- config ----

Result<std::string> running_config(const Target& target) {
  const auto reply = ask(target, simple_call(CommandId::version));
  if (!reply) return reply.error();
  const auto* config = reply->is_object() ? reply->get_object().if_contains("config") : nullptr;
  if (!config || !config->is_string())
    return Error{ErrorCode::refused, "the daemon does not say which config it uses; name a FILE"};
  return std::string(config->get_string());
}

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

ExitCode run_config_check(const Invocation& invocation, const ConfigCheck& check) {
  const auto file = check.file ? Result<std::string>(*check.file) : running_config(invocation.target);
  if (!file) return fail(file.error());
  const auto checked = check_config(*file);
  if (!checked.errors.empty()) {
    fmt::print(stderr, "{}", to_text(checked.errors));
    return ExitCode::refused;
  }
  print(fmt::format("{}: ok, {}, {}\n", *file, plural(checked.zones, "zone"),
                    plural(checked.steers, "steered name")));
  return ExitCode::done;
}

ExitCode run_config_explain(const ConfigExplain& explain) {
  if (const auto text = config::explain(explain.key); !text.empty()) {
    print(text);
    return ExitCode::done;
  }
  const auto likely = config::nearest_key(explain.key);
  complain(fmt::format("there is no config key '{}'{}", explain.key,
                       likely ? fmt::format("; did you mean '{}'?", *likely) : ""));
  return ExitCode::usage;
}

}  // namespace

bool flush_output() {
  if (std::fflush(stdout) == 0) return true;
  std::perror("sluicectl: cannot write the output");
  return false;
}

ExitCode run(const Invocation& invocation, Style style) {
  if (const auto* call = std::get_if<ApiCall>(&invocation.action)) return run_api(invocation, *call, style);
  if (const auto* check = std::get_if<ConfigCheck>(&invocation.action))
    return run_config_check(invocation, *check);
  return run_config_explain(std::get<ConfigExplain>(invocation.action));
}

}  // namespace sluice::ctl
