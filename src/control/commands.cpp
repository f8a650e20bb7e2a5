#include "control/commands.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"

namespace sluice::control {
namespace {

constexpr Param name_param{"name", Place::path, ParamType::text, true,
                           "the steered name, e.g. www.shop.example"};
constexpr Param address_param{"address", Place::path, ParamType::text, true,
                              "the endpoint's IP address or host name"};
constexpr Param addresses_param{
    "address", Place::path, ParamType::text, true,
    "the endpoint's IP address or host name, a pattern such as '192.0.2.*', or pool:NAME"};
constexpr Param at_param{"at", Place::body, ParamType::time, false,
                         "not now but then, e.g. 2026-12-01T02:00:00Z or +10m"};
// RFC 9110, 9.3.5: a body of DELETE has no defined meaning.
constexpr Param in_query(Param param) {
  param.place = Place::query;
  return param;
}
constexpr Param at_of_delete_param = in_query(at_param);
constexpr Param reason_param{"reason", Place::body, ParamType::text, false,
                             "why; kept and shown in status and events"};
constexpr Param for_param{
    "for", Place::body, ParamType::duration, false,
    "how long from then on, e.g. 10m, and then what was said for longer; without it until taken back"};

constexpr Param if_version_param{"if-version", Place::body, ParamType::number, false,
                                 "refuse it unless the name is at this version, as status shows it"};
constexpr Param override_freeze_param{"override-freeze", Place::body, ParamType::flag, false,
                                      "also in a freeze window; needs a reason"};

constexpr std::array status_params{
    Param{"name", Place::query, ParamType::text, false, "only this steered name"},
};
constexpr std::array weight_set_params{
    name_param,
    Param{"weights", Place::body, ParamType::weights, true,
          "new weights; pools that are not named keep theirs"},
    if_version_param,
    override_freeze_param,
    reason_param,
};
constexpr std::array weight_reset_params{name_param, in_query(if_version_param),
                                         in_query(override_freeze_param), in_query(reason_param)};
constexpr Param class_param{"class", Place::path, ParamType::text, true, "a class of clients, of the config"};
constexpr std::array class_route_params{
    name_param,
    class_param,
    Param{"pool", Place::body, ParamType::text, true, "one of the name's pools"},
    if_version_param,
    override_freeze_param,
    reason_param,
};
constexpr std::array class_unroute_params{name_param, class_param, in_query(if_version_param),
                                          in_query(override_freeze_param), in_query(reason_param)};
constexpr std::array endpoint_word_params{addresses_param, at_param, for_param, reason_param};
constexpr std::array endpoint_undrain_params{addresses_param, at_of_delete_param};
constexpr std::array endpoint_auto_params{addresses_param, at_param};
constexpr std::array explain_params{
    Param{"name", Place::query, ParamType::text, true, "the name that is asked for"},
    Param{"client", Place::query, ParamType::text, false,
          "the address of who asks, or the prefix of an EDNS Client Subnet"},
    Param{"type", Place::query, ParamType::text, false, "A or AAAA; A if not given"},
};
constexpr std::array check_run_params{
    address_param,
    Param{"check", Place::body, ParamType::text, false, "only this one of its checks"},
};
constexpr std::array check_report_params{
    Param{"check", Place::path, ParamType::text, true, "a check of type push"},
    address_param,
    Param{"state", Place::body, ParamType::state, true, "up, down or drain"},
    Param{"share", Place::body, ParamType::percent, false, "of its weight that it wants, e.g. 75%"},
    Param{"text", Place::body, ParamType::text, false, "shown in status and events"},
};
constexpr Param to_param{"to", Place::body, ParamType::text, false,
                         "the pool that the traffic goes to, or of a canary several, v2,v3 or v2=2,v3=1; has "
                         "to be given"};
constexpr Param ttl_param{"ttl", Place::body, ParamType::duration, false,
                          "of answers while it runs; 10s, or less if the name has less"};
constexpr Param grace_param{"grace", Place::body, ParamType::duration, false,
                            "how much longer than the TTL some caches keep answers; 0s if not given"};
constexpr Param preset_param{"preset", Place::body, ParamType::text, false,
                             "a section [rollout.NAME] of the config, for what is not given here; the name's "
                             "`rollout` if not given"};
constexpr Param analysis_param{"analysis", Place::body, ParamType::text, false,
                               "what watches each hold, and a switch before it is made: sections "
                               "[analysis.NAME] of the config, e.g. errors,latency"};
constexpr std::array canary_start_params{
    name_param,
    to_param,
    preset_param,
    Param{"steps", Place::body, ParamType::text, false, "its shares in percent; 1,5,25,50,100 if not given"},
    Param{
        "linear", Place::body, ParamType::percent, false,
        "steps that are this much apart, e.g. 10%; the last is what is left, 30,60,90,100, but no sliver of "
        "less than a tenth of one, 33,66,100"},
    Param{"exponential", Place::body, ParamType::number, false,
          "steps of which each is so many times the last"},
    Param{"hold", Place::body, ParamType::duration, false, "of each step, once it is done; 5m if not given"},
    Param{"every", Place::body, ParamType::duration, false, "the same as hold"},
    analysis_param,
    Param{"gates", Place::body, ParamType::flag, false, "wait for a promote after each hold"},
    Param{
        "class", Place::body, ParamType::text, false,
        "a class of clients, of the config, that is led to the pool in a step of its own before all others"},
    ttl_param,
    grace_param,
    if_version_param,
    override_freeze_param,
    reason_param,
};
constexpr std::array bluegreen_switch_params{
    name_param,  to_param,         preset_param,          analysis_param, ttl_param,
    grace_param, if_version_param, override_freeze_param, reason_param};
constexpr std::array rollout_status_params{
    Param{"name", Place::query, ParamType::text, false, "only that of this steered name"},
};
constexpr std::array rollout_pause_params{name_param, if_version_param, reason_param};
constexpr std::array rollout_resume_params{name_param, if_version_param, override_freeze_param, reason_param};
constexpr std::array rollout_promote_params{
    name_param,
    Param{"full", Place::body, ParamType::flag, false, "to the last step, and not to the next"},
    if_version_param,
    override_freeze_param,
    reason_param,
};
constexpr std::array rollout_abort_params{
    name_param,
    Param{"over", Place::body, ParamType::duration, false,
          "go back little by little, in this time; at once if not given"},
    reason_param,
    if_version_param,
};
constexpr std::array rollout_undo_params{name_param, reason_param, if_version_param};
constexpr Param history_limit_param{"limit", Place::query, ParamType::number, false,
                                    "at most this many, the newest, and at least 1; 20 if not given"};
constexpr std::array rollout_history_params{name_param, history_limit_param};
constexpr Param pool_param{"pool", Place::path, ParamType::text, true, "the pool, e.g. v1"};
constexpr std::array rolling_start_params{
    pool_param,
    Param{"hook", Place::body, ParamType::text, false,
          "a shell command, run for each endpoint; without it `rolling resume` says that the work is done"},
    Param{"hook-url", Place::body, ParamType::text, false,
          "in place of a command: posted JSON for each endpoint; 2xx says that the work is done. A URL, or a "
          "section "
          "[hook.NAME] of the config, which can have headers, authorities and a secret of its own"},
    Param{"batch", Place::body, ParamType::text, false, "endpoints at once, e.g. 2 or 25%; 1 if not given"},
    Param{"min-available", Place::body, ParamType::text, false,
          "endpoints, or part of the weight, that have to be left healthy, e.g. 2 or 50%; all others if not "
          "given"},
    Param{"order", Place::body, ParamType::text, false,
          "config, weight (the lightest first) or random; config if not given"},
    Param{"ttl", Place::body, ParamType::duration, false,
          "of answers of the names that use the pool while it lasts, at most; 10s if not given"},
    grace_param,
    Param{"attempts", Place::body, ParamType::number, false, "of the hook, by endpoint; 1 if not given"},
    Param{"hook-timeout", Place::body, ParamType::duration, false, "of each attempt; 5m if not given"},
    Param{"health-timeout", Place::body, ParamType::duration, false,
          "within which an endpoint has to be healthy after its hook; 5m if not given"},
    Param{"on-failure", Place::body, ParamType::text, false,
          "stop, or rollback: what is drained comes back if it is healthy; stop if not given"},
    override_freeze_param,
    reason_param,
};
constexpr std::array rolling_status_params{
    Param{"pool", Place::query, ParamType::text, false, "only that of this pool"},
};
constexpr std::array rolling_history_params{
    Param{"pool", Place::query, ParamType::text, false, "only those of this pool"},
    history_limit_param,
};
constexpr Param present_batch_param{"batch", Place::body, ParamType::number, false,
                                    "refuse it unless this is the present batch, as status shows it"};
constexpr std::array rolling_pause_params{pool_param, present_batch_param, reason_param};
constexpr std::array rolling_resume_params{pool_param, present_batch_param, override_freeze_param,
                                           reason_param};
constexpr std::array rolling_abort_params{pool_param, present_batch_param, reason_param};
constexpr std::array events_params{
    Param{"after", Place::query, ParamType::number, false, "only events with a greater id"},
    Param{"limit", Place::query, ParamType::number, false, "at most this many, the newest; 50 if not given"},
    Param{"wait", Place::query, ParamType::duration, false,
          "when there is none yet, wait for one as long as this"},
};

constexpr std::array rows{
    CommandRow{CommandId::status, "status", "GET", "/v1/status", status_params, false,
               "Show names, shares and the health of every endpoint"},
    CommandRow{CommandId::weight_set, "weight set", "PUT", "/v1/steer/{name}/weights", weight_set_params,
               true, "Set weights of a name's pools; in effect when it returns, and over restarts"},
    CommandRow{CommandId::weight_reset, "weight reset", "DELETE", "/v1/steer/{name}/weights",
               weight_reset_params, true, "Go back to the weights of the config"},
    CommandRow{CommandId::class_route, "class route", "PUT", "/v1/steer/{name}/class/{class}",
               class_route_params, true,
               "Answer the clients of a class from one pool of a name, whatever its weight"},
    CommandRow{CommandId::class_unroute, "class unroute", "DELETE", "/v1/steer/{name}/class/{class}",
               class_unroute_params, true, "Answer the clients of a class by the weights, like all others"},
    CommandRow{CommandId::endpoint_drain, "endpoint drain", "PUT", "/v1/endpoint/{address}/drain",
               endpoint_word_params, true, "Give the endpoint to no new client"},
    CommandRow{CommandId::endpoint_undrain, "endpoint undrain", "DELETE", "/v1/endpoint/{address}/drain",
               endpoint_undrain_params, true, "Take a drain back"},
    CommandRow{CommandId::endpoint_up, "endpoint up", "PUT", "/v1/endpoint/{address}/up",
               endpoint_word_params, true, "Hold an endpoint for healthy, whatever its check says"},
    CommandRow{CommandId::endpoint_down, "endpoint down", "PUT", "/v1/endpoint/{address}/down",
               endpoint_word_params, true, "Hold an endpoint for dead, whatever its check says"},
    CommandRow{CommandId::endpoint_auto, "endpoint auto", "PUT", "/v1/endpoint/{address}/auto",
               endpoint_auto_params, true,
               "Let the check decide about an endpoint again, and take back what is scheduled"},
    CommandRow{CommandId::explain, "explain", "GET", "/v1/explain", explain_params, false,
               "Show why a client gets what it gets"},
    CommandRow{CommandId::check_run, "check run", "POST", "/v1/check/{address}/run", check_run_params, true,
               "Probe an endpoint once, now, and show what came back; its health stays as it is"},
    CommandRow{CommandId::check_report, "check report", "PUT", "/v1/check/{check}/report/{address}",
               check_report_params, true, "Say how an endpoint is, in place of a probe", true},
    CommandRow{CommandId::canary_start, "canary start", "POST", "/v1/steer/{name}/canary",
               canary_start_params, true, "Lead a name's traffic to one of its pools in steps", false,
               "rollout plan canary"},
    CommandRow{CommandId::bluegreen_switch, "bluegreen switch", "POST", "/v1/steer/{name}/bluegreen",
               bluegreen_switch_params, true, "Lead a name's traffic to one of its pools at once", false,
               "rollout plan bluegreen"},
    CommandRow{CommandId::rollout_status, "rollout status", "GET", "/v1/rollouts", rollout_status_params,
               false, "Show how far rollouts are"},
    CommandRow{CommandId::rollout_pause, "rollout pause", "POST", "/v1/steer/{name}/rollout/pause",
               rollout_pause_params, true, "Stay at the present step"},
    CommandRow{CommandId::rollout_resume, "rollout resume", "POST", "/v1/steer/{name}/rollout/resume",
               rollout_resume_params, true, "Go on after a pause"},
    CommandRow{CommandId::rollout_promote, "rollout promote", "POST", "/v1/steer/{name}/rollout/promote",
               rollout_promote_params, true, "Go to the next step now"},
    CommandRow{CommandId::rollout_abort, "rollout abort", "POST", "/v1/steer/{name}/rollout/abort",
               rollout_abort_params, true, "Give the traffic back to who had it before"},
    CommandRow{CommandId::rollout_undo, "rollout undo", "POST", "/v1/steer/{name}/rollout/undo",
               rollout_undo_params, true, "The same at once, also after the end"},
    CommandRow{CommandId::rollout_history, "rollout history", "GET", "/v1/steer/{name}/rollouts",
               rollout_history_params, false, "Show the rollouts that a name has had"},
    CommandRow{CommandId::rolling_start, "rolling start", "POST", "/v1/pool/{pool}/rolling",
               rolling_start_params, true, "Take a pool's endpoints out, work on them and put them back",
               false, "rollout plan rolling"},
    CommandRow{CommandId::rolling_status, "rolling status", "GET", "/v1/rollings", rolling_status_params,
               false, "Show how far rolling upgrades are"},
    CommandRow{CommandId::rolling_pause, "rolling pause", "POST", "/v1/pool/{pool}/rolling/pause",
               rolling_pause_params, true, "Drain no other endpoint, and begin no hook"},
    CommandRow{CommandId::rolling_resume, "rolling resume", "POST", "/v1/pool/{pool}/rolling/resume",
               rolling_resume_params, true,
               "Go on: after a pause, after a failure, in a freeze, or because the work is done"},
    CommandRow{CommandId::rolling_abort, "rolling abort", "POST", "/v1/pool/{pool}/rolling/abort",
               rolling_abort_params, true, "End it, and give back what is drained and healthy"},
    CommandRow{CommandId::rolling_history, "rolling history", "GET", "/v1/rollings/history",
               rolling_history_params, false, "Show the rolling upgrades that there have been"},
    CommandRow{CommandId::events, "events", "GET", "/v1/events", events_params, false,
               "Show who changed what, and what was decided"},
    CommandRow{CommandId::reload,
               "reload",
               "POST",
               "/v1/reload",
               {},
               true,
               "Read config and zones again; refused as a whole when something is wrong in them"},
    CommandRow{CommandId::version,
               "version",
               "GET",
               "/v1/version",
               {},
               false,
               "Show the versions of sluicectl and sluiced"},
    CommandRow{CommandId::metrics,
               "metrics",
               "GET",
               "/metrics",
               {},
               false,
               "Show the counters in Prometheus' text format"},
};

bool is_weights(const boost::json::value& value) {
  if (!value.is_object() || value.get_object().empty()) return false;
  const auto& object = value.get_object();
  return std::all_of(object.begin(), object.end(),
                     [](const auto& member) { return member.value().is_number(); });
}

// Names have at most 255 octets, each of them four characters when escaped; a reason is a sentence.
constexpr std::size_t text_size_max = 1024;

bool is_text(const boost::json::value& value) {
  if (!value.is_string()) return false;
  const std::string_view text = value.get_string();
  return !text.empty() && text.size() <= text_size_max && std::none_of(text.begin(), text.end(), is_control);
}

bool is_state(const boost::json::value& value) {
  return value.is_string() && std::find(std::begin(reported_states), std::end(reported_states),
                                        std::string_view(value.get_string())) != std::end(reported_states);
}

std::string unknown_argument(const CommandRow& row, std::string_view name) {
  std::vector<std::string> known;
  for (const auto& param : row.params) known.emplace_back(param.name);
  auto message = fmt::format("'{}' takes no argument '{}'", row.words, name);
  if (const auto likely = nearest(name, known)) message += fmt::format("; did you mean '{}'?", *likely);
  return message;
}

}  // namespace

bool has_type(const boost::json::value& value, ParamType type) {
  switch (type) {
    case ParamType::text:
      return is_text(value);
    case ParamType::weights:
      return is_weights(value);
    case ParamType::duration:
      return value.is_string() && parse_duration(value.get_string()).has_value();
    case ParamType::number:
      return value.is_uint64() || (value.is_int64() && value.get_int64() >= 0);
    case ParamType::time:
      return value.is_string() && parse_moment(value.get_string(), Time{}).has_value();
    case ParamType::percent:
      return value.is_string() && parse_percent(value.get_string()).has_value();
    case ParamType::state:
      return is_state(value);
    case ParamType::flag:
      return value.is_bool();
  }
  return false;
}

const char* expectation(ParamType type) {
  switch (type) {
    case ParamType::text:
      return "a text of 1 to 1024 octets without control characters";
    case ParamType::weights:
      return "a number for each pool";
    case ParamType::duration:
      return "a duration such as \"30s\" or \"10m\", ten years at most";
    case ParamType::number:
      return "a whole number that is not negative";
    case ParamType::time:
      return "a time such as \"2026-12-01T02:00:00Z\" or \"+10m\", at most ten years ahead";
    case ParamType::percent:
      return "a part such as \"75%\"";
    case ParamType::state:
      return "\"up\", \"down\" or \"drain\"";
    case ParamType::flag:
      return "true or false";
  }
  return "";
}

std::span<const CommandRow> commands() { return rows; }

Result<void> check_arguments(const CommandRow& row, const boost::json::object& arguments) {
  for (const auto& argument : arguments) {
    const std::string_view name = argument.key();
    const auto* param = std::find_if(row.params.data(), row.params.data() + row.params.size(),
                                     [&](const Param& p) { return p.name == name; });
    if (param == row.params.data() + row.params.size())
      return Error{ErrorCode::invalid, unknown_argument(row, name)};
    if (!has_type(argument.value(), param->type))
      return Error{ErrorCode::invalid,
                   fmt::format("'{}' has to be {}", param->name, expectation(param->type))};
  }
  for (const auto& param : row.params) {
    if (param.required && !arguments.contains(param.name))
      return Error{ErrorCode::invalid, fmt::format("'{}' needs '{}'", row.words, param.name)};
  }
  return {};
}

}  // namespace sluice::control
