#include "admin/route.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include <boost/json.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "admin/duplicates.hpp"

namespace sluice::admin {
namespace {

namespace http = boost::beast::http;
namespace json = boost::json;
namespace urls = boost::urls;
using control::CommandRow;
using control::Param;
using control::ParamType;
using control::Place;

// The one argument that is the same for all changes, and therefore not in the table.
constexpr std::string_view dry_run_argument = "dry_run";

Refusal refuse(http::status status, ErrorCode code, std::string message) {
  return {status, {code, std::move(message)}, {}};
}
Refusal malformed(std::string message) {
  return refuse(http::status::bad_request, ErrorCode::invalid, std::move(message));
}

// What stands in a path or a query is a name, an address, a number or a duration: other octets are a mistake,
// and would end up in messages, which have to be valid UTF-8.
bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// ---- path ----

using Segments = std::vector<std::string>;

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::size_t from = 1; from <= path.size();) {
    const auto end = std::min(path.find('/', from), path.size());
    parts.push_back(path.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

bool is_placeholder(std::string_view part) { return part.starts_with('{'); }

// The arguments in `path` when it has the template's shape: "/v1/steer/{name}/weights".
std::optional<json::object> match(std::string_view path_template, const Segments& path) {
  const auto parts = split_path(path_template);
  if (parts.size() != path.size()) return std::nullopt;
  json::object arguments;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (is_placeholder(parts[i])) {
      if (path[i].empty()) return std::nullopt;
      arguments[parts[i].substr(1, parts[i].size() - 2)] = path[i];
    } else if (parts[i] != path[i]) {
      return std::nullopt;
    }
  }
  return arguments;
}

struct Found {
  const CommandRow* row;
  json::object arguments;
};

// RFC 9110, 9.1: HEAD is GET without the content; sending none is the writer's business.
bool method_matches(std::string_view of_row, std::string_view method) {
  return of_row == method || (of_row == "GET" && method == "HEAD");
}

std::string allow_field(const std::vector<std::string_view>& methods) {
  auto text = fmt::format("{}", fmt::join(methods, ", "));
  if (std::find(methods.begin(), methods.end(), "GET") != methods.end()) text += ", HEAD";
  return text;
}

Refusal wrong_method(std::string_view method, const std::vector<std::string_view>& methods) {
  auto refusal = refuse(http::status::method_not_allowed, ErrorCode::invalid,
                        fmt::format("{} is not possible here, only {}", method, allow_field(methods)));
  refusal.allow = allow_field(methods);
  return refusal;
}

std::variant<Found, Refusal> find_row(std::string_view method, const Segments& path) {
  std::vector<std::string_view> methods;  // of the rows with this path
  for (const auto& row : control::commands()) {
    auto arguments = match(row.path, path);
    if (!arguments) continue;
    if (method_matches(row.method, method)) return Found{&row, *std::move(arguments)};
    methods.push_back(row.method);
  }
  if (!methods.empty()) return wrong_method(method, methods);
  return refuse(http::status::not_found, ErrorCode::not_found,
                fmt::format("no such resource: /{}", fmt::join(path, "/")));
}

// ---- query and body ----

const Param* find_param(const CommandRow& row, std::string_view name) {
  const auto at =
      std::find_if(row.params.begin(), row.params.end(), [&](const Param& p) { return p.name == name; });
  return at == row.params.end() ? nullptr : &*at;
}

// A query holds only text: what the table calls a number or a flag becomes one, if it is one.
json::value typed(const Param* param, const std::string& text) {
  if (param && param->type == ParamType::flag && (text == "true" || text == "false")) return text == "true";
  std::uint64_t number = 0;
  if (!param || param->type != ParamType::number) return json::value(text);
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || rest != text.data() + text.size()) return json::value(text);
  return number;
}

Refusal given_twice(std::string_view name) { return malformed(fmt::format("'{}' is given twice", name)); }

// Each argument has one place; one that comes in twice could mean either.
std::optional<Refusal> add_argument(const CommandRow& row, std::string_view name, json::value value,
                                    Place place, control::Request& request) {
  const auto* param = find_param(row, name);
  if (param && param->place != place) {
    static constexpr std::string_view places[] = {"path", "query", "body"};
    return malformed(
        fmt::format("'{}' belongs into the {}", name, places[static_cast<std::size_t>(param->place)]));
  }
  if (request.arguments.contains(name)) return given_twice(name);
  request.arguments[name] = std::move(value);
  return std::nullopt;
}

// A dry run is one when the query or the body says so: of two answers the harmless one.
std::optional<Refusal> read_query(const CommandRow& row, const urls::url_view& url,
                                  control::Request& request) {
  for (const auto& [key, value, has_value] : url.params()) {
    if (!is_printable_ascii(key) || !is_printable_ascii(value))
      return malformed("the query holds characters other than printable ASCII");
    if (row.changes && key == dry_run_argument) {
      if (value != "true" && value != "false") return malformed("'dry_run' has to be true or false");
      request.dry_run = request.dry_run || value == "true";
      continue;
    }
    if (auto refusal = add_argument(row, key, typed(find_param(row, key), value), Place::query, request))
      return refusal;
  }
  return std::nullopt;
}

struct JsonError {
  std::string message;
};

// "line 2, column 7", both from 1; the column counts octets.
std::string position_text(std::string_view text, std::size_t offset) {
  const auto before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto line_start = before.rfind('\n') + 1;  // npos + 1 is 0: the first line
  return fmt::format("line {}, column {}", line, offset - line_start + 1);
}

// Boost.JSON's own limit of 32 nested levels holds: our deepest body has 2.
std::variant<json::value, JsonError> parse_json(std::string_view text) {
  json::stream_parser parser;
  json::error_code error;
  const auto used = parser.write_some(text.data(), text.size(), error);
  if (!error && used < text.size()) error = json::error::extra_data;
  if (!error) parser.finish(error);
  if (!error) return parser.release();
  return JsonError{
      fmt::format("the body is not valid JSON: {} at {}", error.message(), position_text(text, used))};
}

std::optional<Refusal> read_body(const CommandRow& row, std::string_view body, control::Request& request) {
  if (body.empty()) return std::nullopt;
  auto parsed = parse_json(body);
  if (const auto* error = std::get_if<JsonError>(&parsed)) return malformed(error->message);
  auto* object = std::get<json::value>(parsed).if_object();
  if (!object) return malformed("the body has to be a JSON object");
  if (const auto name = duplicate_member(body)) return given_twice(*name);
  for (auto& member : *object) {
    if (row.changes && member.key() == dry_run_argument) {
      if (!member.value().is_bool()) return malformed("'dry_run' has to be true or false");
      request.dry_run = request.dry_run || member.value().get_bool();
      continue;
    }
    if (auto refusal = add_argument(row, member.key(), std::move(member.value()), Place::body, request))
      return refusal;
  }
  return std::nullopt;
}

// ---- who may ----

// RFC 6750, 2.1. The scheme's letter case does not matter (RFC 9110, 11.1).
std::optional<std::string> bearer_token(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() <= scheme.size()) return std::nullopt;
  const bool is_bearer = std::equal(scheme.begin(), scheme.end(), authorization.begin(),
                                    [](char expected, char c) { return expected == (c | 0x20); });
  if (!is_bearer) return std::nullopt;
  authorization.remove_prefix(
      std::min(authorization.find_first_not_of(' ', scheme.size()), authorization.size()));
  return std::string(authorization);
}

// Of a change on a listener that nobody has to log in to.
std::optional<Refusal> let_through(const CommandRow& row, const HttpCall& call, control::Request& request) {
  if (!row.with_token)
    return refuse(
        http::status::forbidden, ErrorCode::refused,
        fmt::format("'{}' is a change, and changes are accepted only on the Unix socket", row.words));
  request.token = bearer_token(call.authorization);
  if (request.token) return std::nullopt;
  auto refusal =
      refuse(http::status::unauthorized, ErrorCode::refused,
             fmt::format("'{}' needs the check's token here: 'Authorization: Bearer TOKEN'", row.words));
  refusal.challenge = "Bearer";
  return refusal;
}

// ---- together ----

Routed read_request(Found found, const urls::url_view& url, const HttpCall& call) {
  const auto& row = *found.row;
  control::Request request{row.id, std::move(found.arguments), std::string(call.who), false, {}};
  if (call.read_only && row.changes)
    if (auto refusal = let_through(row, call, request)) return *std::move(refusal);
  if (auto refusal = read_query(row, url, request)) return *std::move(refusal);
  if (auto refusal = read_body(row, call.body, request)) return *std::move(refusal);
  if (auto checked = control::check_arguments(row, request.arguments); !checked)
    return refuse(http_status(checked.error().code), checked.error().code, checked.error().message);
  return request;
}

Segments decoded_segments(const urls::url_view& url) {
  Segments path;
  for (const auto& segment : url.segments()) path.push_back(segment);
  return path;
}

Routed route_url(const urls::url_view& url, const HttpCall& call) {
  const auto path = decoded_segments(url);
  if (!std::all_of(path.begin(), path.end(), is_printable_ascii))
    return malformed("the path holds characters other than printable ASCII");
  if (url.encoded_path() == openapi_path) {
    if (!method_matches("GET", call.method)) return wrong_method(call.method, {"GET"});
    return Document{openapi_document()};
  }
  auto found = find_row(call.method, path);
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  return read_request(std::get<Found>(std::move(found)), url, call);
}

}  // namespace

Routed route(const HttpCall& call) {
  auto url = urls::parse_origin_form(call.target);
  if (!url) url = urls::parse_absolute_uri(call.target);
  if (!url) return malformed("the request target is not a valid URL");
  return route_url(*url, call);
}

http::status http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid:
      return http::status::bad_request;
    case ErrorCode::not_found:
      return http::status::not_found;
    case ErrorCode::refused:
      return http::status::conflict;
    case ErrorCode::forbidden:
      return http::status::forbidden;
    case ErrorCode::unavailable:
      return http::status::service_unavailable;
  }
  return http::status::internal_server_error;
}

std::string error_body(const Error& error) {
  std::string_view code;
  switch (error.code) {
    case ErrorCode::invalid:
      code = "invalid";
      break;
    case ErrorCode::not_found:
      code = "not_found";
      break;
    case ErrorCode::refused:
      code = "refused";
      break;
    case ErrorCode::forbidden:
      code = "forbidden";
      break;
    case ErrorCode::unavailable:
      code = "unavailable";
      break;
  }
  return json::serialize(json::object{{"error", {{"code", code}, {"message", error.message}}}});
}

}  // namespace sluice::admin
