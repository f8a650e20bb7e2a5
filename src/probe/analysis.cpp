#include "probe/analysis.hpp"

#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <string.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include "base/text.hpp"
#include "probe/errors.hpp"

namespace sluice::probe {
namespace {

namespace json = boost::json;
using rollout::Finding;
using rollout::Verdict;

// Of somebody else's words, so much is shown.
constexpr std::size_t shown_size_max = 200;

// "0.2", "+Inf", "NaN"
std::optional<double> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// [ <time>, "<value>" ]
Result<std::optional<double>> value_of(const json::value& sample) {
  const auto* pair = sample.if_array();
  const auto* text = pair && pair->size() == 2 ? pair->at(1).if_string() : nullptr;
  const auto number = text ? number_of(*text) : std::nullopt;
  if (!number) return unavailable("Prometheus sends a sample that is none");
  return std::isnan(*number) ? std::optional<double>() : number;
}

Result<std::optional<double>> value_of_vector(const json::array& vector) {
  if (vector.empty()) return std::optional<double>();
  if (vector.size() > 1)
    return unavailable(fmt::format(
        "the query gives {} values, and one is wanted: aggregate them, with sum() say", vector.size()));
  const auto* element = vector.front().if_object();
  const auto* value = element ? element->if_contains("value") : nullptr;
  if (value == nullptr) return unavailable("Prometheus sends an element without a value");
  return value_of(*value);
}

std::string text_member(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  const auto* text = value ? value->if_string() : nullptr;
  return text ? std::string(*text) : std::string();
}

std::string_view last_line(std::string_view output) {
  output = without_space_around(output);
  const auto end = output.rfind('\n');
  return without_space_around(end == std::string_view::npos ? output : output.substr(end + 1));
}

Finding finding_of(Verdict verdict, std::string_view what, std::string_view words) {
  const auto line = printable(words, shown_size_max);
  Finding finding{verdict, {}, {}, line.empty() ? std::string(what) : fmt::format("{}: {}", what, line)};
  const auto number = number_of(words);
  if (number && std::isfinite(*number)) finding.value = number;
  return finding;
}

std::string ending_text(const Question& question, const ProgramEnd& end) {
  switch (end.ending) {
    case Ending::exited:
      return fmt::format("exit status {}", end.code);
    case Ending::killed:
      return fmt::format("killed by signal {} ({})", end.code, ::strsignal(end.code));
    case Ending::timed_out:
      return fmt::format("timeout after {}", to_text(question.analysis.timeout));
    case Ending::not_started:
      return fmt::format("cannot be started: {}", std::generic_category().message(end.code));
    case Ending::lost:
      break;
  }
  return "the process that watched the program was killed";
}

}  // namespace

std::string fill(std::string_view query, const Question& question, std::string_view pool) {
  const std::pair<std::string_view, std::string> values[] = {{config::pool_placeholder, std::string(pool)},
                                                             {config::old_placeholder, old_pools(question)},
                                                             {config::name_placeholder, question.name}};
  std::string filled(query);
  for (const auto& [placeholder, value] : values)
    for (auto at = filled.find(placeholder); at != std::string::npos;
         at = filled.find(placeholder, at + value.size()))
      filled.replace(at, placeholder.size(), value);
  return filled;
}

std::string old_pools(const Question& question) { return fmt::format("{}", fmt::join(question.old, "|")); }

WebRequest prometheus_request(const Question& question, std::string_view query) {
  WebRequest request{config::parse_url(question.analysis.url).value(),
                     question.analysis.headers,
                     {},
                     question.analysis.timeout,
                     question.analysis.authorities};
  auto& target = request.url.target;
  if (target.ends_with('/')) target.pop_back();
  target += "/api/v1/query?query=" + boost::urls::encode(query, boost::urls::unreserved_chars);
  return request;
}

Result<std::optional<double>> read_prometheus(const WebReply& reply) {
  if (reply.body.size() > reply_size_max) return unavailable("Prometheus sends too much");
  json::error_code failure;
  const auto value = json::parse(reply.body, failure);
  const auto* object = failure ? nullptr : value.if_object();
  if (object == nullptr)
    return unavailable(fmt::format("status {}, and no JSON object as Prometheus sends it", reply.status));
  if (text_member(*object, "status") != "success")
    return unavailable(fmt::format("Prometheus refuses the query (status {}): {}", reply.status,
                                   printable(text_member(*object, "error"), shown_size_max)));
  const auto* data = object->if_contains("data");
  const auto* result = data && data->is_object() ? data->as_object().if_contains("result") : nullptr;
  const auto type = data && data->is_object() ? text_member(data->as_object(), "resultType") : "";
  if (type == "vector" && result && result->is_array()) return value_of_vector(result->as_array());
  if (type == "scalar" && result) return value_of(*result);
  return unavailable(fmt::format("the query gives a result of type '{}', and a vector or scalar is wanted",
                                 printable(type, shown_size_max)));
}

rollout::Thresholds thresholds_of(const config::Analysis& analysis) {
  return {analysis.min, analysis.max, analysis.relative_to_old, analysis.samples_min};
}

Program program_of(const Question& question) {
  const auto& analysis = question.analysis;
  return {analysis.command,
          {"SLUICE_ANALYSIS=" + analysis.name, "SLUICE_NAME=" + question.name, "SLUICE_POOL=" + question.pool,
           fmt::format("SLUICE_OLD={}", fmt::join(question.old, " ")),
           fmt::format("SLUICE_ROLLOUT={}", question.rollout), fmt::format("SLUICE_STEP={}", question.step),
           fmt::format("SLUICE_SHARE={:.6g}", question.share)},
          analysis.timeout};
}

Finding judge(const Question& question, const Result<ProgramEnd>& end) {
  if (!end) return {Verdict::error, {}, {}, end.error().message};
  const bool says = end->ending == Ending::exited && (end->code == 0 || end->code == 1);
  const auto verdict = !says ? Verdict::error : end->code == 0 ? Verdict::success : Verdict::failure;
  return finding_of(verdict, ending_text(question, *end), last_line(end->output));
}

WebRequest webhook_request(const Question& question) {
  json::array old;
  for (const auto& pool : question.old) old.emplace_back(pool);
  const json::object body{{"analysis", question.analysis.name},
                          {"name", question.name},
                          {"pool", question.pool},
                          {"old", std::move(old)},
                          {"rollout", question.rollout},
                          {"step", question.step},
                          {"steps", question.steps},
                          {"share", question.share}};
  return {config::parse_url(question.analysis.url).value(), question.analysis.headers, json::serialize(body),
          question.analysis.timeout, question.analysis.authorities};
}

Finding judge_webhook(const Result<WebReply>& reply) {
  if (!reply) return {Verdict::error, {}, {}, reply.error().message};
  auto verdict = Verdict::error;
  if (reply->status == 200) verdict = Verdict::success;
  if (reply->status == 204) verdict = Verdict::inconclusive;
  if (reply->status >= 400 && reply->status < 500) verdict = Verdict::failure;
  return finding_of(verdict, fmt::format("status {}", reply->status), last_line(reply->body));
}

}  // namespace sluice::probe
