#include "admin/route.hpp"

#include <set>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/json.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

namespace sluice::admin {
namespace {

namespace json = boost::json;
using control::CommandId;
using control::Place;

std::string with_placeholders_filled(std::string_view path_template) {
  std::string path(path_template);
  for (auto open = path.find('{'); open != std::string::npos; open = path.find('{'))
    path.replace(open, path.find('}') - open + 1, "www.example%2E");
  return path;
}

json::value example(control::ParamType type) {
  switch (type) {
    case control::ParamType::text:
      return "www.example.";
    case control::ParamType::weights:
      return {{"v1", 90}, {"v2", 10}};
    case control::ParamType::duration:
      return "10m";
    case control::ParamType::number:
      return 7U;
    case control::ParamType::time:
      return "+10m";
    case control::ParamType::percent:
      return "75%";
    case control::ParamType::state:
      return "drain";
    case control::ParamType::flag:
      return true;
  }
  return nullptr;
}

// "words arguments dry_run", or "status code: message".
std::string outcome(const HttpCall& call) {
  const auto routed = route(call);
  if (const auto* refusal = std::get_if<Refusal>(&routed))
    return fmt::format("{} {}", static_cast<unsigned>(refusal->status), refusal->error.message);
  if (std::holds_alternative<Document>(routed)) return "document";
  const auto& request = std::get<control::Request>(routed);
  for (const auto& row : control::commands())
    if (row.id == request.id)
      return fmt::format("{} {}{}", row.words, json::serialize(request.arguments),
                         request.dry_run ? " dry" : "");
  return "no row";
}

TEST_CASE("every row of the command table has its route") {
  for (const auto& row : control::commands()) {
    CAPTURE(row.words);
    auto target = with_placeholders_filled(row.path);
    json::object body, expected;
    for (const auto& param : row.params) {
      expected[param.name] = example(param.type);
      if (param.place == Place::body) body[param.name] = example(param.type);
      if (param.place != Place::query) continue;
      const auto value = example(param.type);
      const auto text =
          boost::urls::encode(value.is_string() ? std::string(value.get_string()) : json::serialize(value),
                              boost::urls::unreserved_chars);
      target += fmt::format("{}{}={}", target.find('?') == std::string::npos ? '?' : '&', param.name, text);
    }
    if (row.changes) body["dry_run"] = true;
    const auto text = body.empty() ? "" : json::serialize(body);
    const auto routed = route({row.method, target, text, false, "root"});
    REQUIRE(std::holds_alternative<control::Request>(routed));
    const auto& request = std::get<control::Request>(routed);
    CHECK(request.id == row.id);
    CHECK(json::value(request.arguments) == json::value(expected));
    CHECK(request.who == "root");
    CHECK(request.dry_run == row.changes);

    CHECK_FALSE(request.token.has_value());

    const auto read_only = route({row.method, target, text, true, "192.0.2.1"});
    CHECK(std::holds_alternative<Refusal>(read_only) == row.changes);
    const auto with_token = route({row.method, target, text, true, "192.0.2.1", "Bearer open"});
    CHECK(std::holds_alternative<Refusal>(with_token) == (row.changes && !row.with_token));
  }
}

TEST_CASE("requests and what they mean") {
  struct Row {
    const char* name;
    const char* method;
    const char* target;
    const char* body;
    const char* expected;
  };
  static const char* const weights = "/v1/steer/www.example/weights";
  const Row rows[] = {
      {"a path segment is percent-decoded once", "DELETE", "/v1/steer/a%252Fb%2Fc/weights", "",
       R"(weight reset {"name":"a%2Fb/c"})"},
      {"an IPv6 address", "PUT", "/v1/endpoint/2001:db8::1/auto", "",
       R"(endpoint auto {"address":"2001:db8::1"})"},
      {"absolute form", "GET", "http://sluice:8053/v1/version", "", "version {}"},
      {"HEAD is GET", "HEAD", "/v1/version", "", "version {}"},
      {"the description", "GET", "/v1/openapi.json", "", "document"},
      {"dry_run in the query", "DELETE", "/v1/steer/www.example/weights?dry_run=true", "",
       R"(weight reset {"name":"www.example"} dry)"},
      {"dry_run false", "PUT", weights, R"({"weights":{"v1":1},"dry_run":false})",
       R"(weight set {"name":"www.example","weights":{"v1":1}})"},
      {"of two words about dry_run the harmless one holds", "PUT",
       "/v1/steer/www.example/weights?dry_run=true", R"({"weights":{"v1":1},"dry_run":false})",
       R"(weight set {"name":"www.example","weights":{"v1":1}} dry)"},
      {"blanks around the body", "POST", "/v1/reload", " {} \n", "reload {}"},

      {"no such path", "GET", "/v1/nothing", "", "404 no such resource: /v1/nothing"},
      {"the root", "GET", "/", "", "404 no such resource: /"},
      {"too long a path", "GET", "/v1/status/x", "", "404 no such resource: /v1/status/x"},
      {"an empty name", "DELETE", "/v1/steer//weights", "", "404 no such resource: /v1/steer//weights"},
      {"no path at all", "OPTIONS", "*", "", "400 the request target is not a valid URL"},
      {"a broken escape", "GET", "/v1/%zz", "", "400 the request target is not a valid URL"},
      {"a zero octet in a name", "DELETE", "/v1/steer/a%00b/weights", "",
       "400 the path holds characters other than printable ASCII"},
      {"half a UTF-8 character in the query", "GET", "/v1/status?name=%c3", "",
       "400 the query holds characters other than printable ASCII"},
      {"wrong method", "POST", "/v1/status", "", "405 POST is not possible here, only GET, HEAD"},
      {"two methods", "GET", weights, "", "405 GET is not possible here, only PUT, DELETE"},
      {"unknown query argument", "GET", "/v1/status?nam=x", "",
       "400 'status' takes no argument 'nam'; did you mean 'name'?"},
      {"query argument twice", "GET", "/v1/status?name=a&name=b", "", "400 'name' is given twice"},
      {"not a number", "GET", "/v1/events?after=-1", "",
       "400 'after' has to be a whole number that is not negative"},
      {"not a duration", "GET", "/v1/events?wait=5x", "",
       "400 'wait' has to be a duration such as \"30s\" or \"10m\", ten years at most"},
      {"not a time", "PUT", "/v1/endpoint/a/up", R"({"at":"tomorrow"})",
       "400 'at' has to be a time such as \"2026-12-01T02:00:00Z\" or \"+10m\", at most ten years ahead"},
      {"not a part", "PUT", "/v1/check/self/report/a", R"({"state":"up","share":"75"})",
       "400 'share' has to be a part such as \"75%\""},
      {"not a state", "PUT", "/v1/check/self/report/a", R"({"state":"sideways"})",
       "400 'state' has to be \"up\", \"down\" or \"drain\""},
      {"dry_run of a read", "GET", "/v1/status?dry_run=true", "", "400 'status' takes no argument 'dry_run'"},
      {"dry_run is a word", "PUT", weights, R"({"weights":{"v1":1},"dry_run":"no"})",
       "400 'dry_run' has to be true or false"},
      {"dry_run in the query is a word", "POST", "/v1/reload?dry_run=1", "",
       "400 'dry_run' has to be true or false"},
      {"weights missing", "PUT", weights, "{}", "400 'weight set' needs 'weights'"},
      {"no body", "PUT", weights, "", "400 'weight set' needs 'weights'"},
      {"weights of a wrong type", "PUT", weights, R"({"weights":{"v1":"1"}})",
       "400 'weights' has to be a number for each pool"},
      {"the body cannot change the path's name", "PUT", weights, R"({"name":"other","weights":{"v1":1}})",
       "400 'name' belongs into the path"},
      {"nor the query", "DELETE", "/v1/steer/a/weights?name=b", "", "400 'name' belongs into the path"},
      {"a query's argument in the body", "GET", "/v1/status", R"({"name":"x"})",
       "400 'name' belongs into the query"},
      {"a body's argument twice", "PUT", weights, R"({"weights":{"v1":1},"weights":{"v1":2}})",
       "400 'weights' is given twice"},
      {"dry_run twice, whatever comes last", "PUT", weights,
       R"({"weights":{"v2":9},"dry_run":true,"dry_run":false})", "400 'dry_run' is given twice"},
      {"twice the same", "POST", "/v1/reload", R"({"dry_run":true,"dry_run":true})",
       "400 'dry_run' is given twice"},
      {"twice, once with an escape", "POST", "/v1/reload", R"({"dry_run":true,"\u0064ry_run":false})",
       "400 'dry_run' is given twice"},
      {"a pool twice", "PUT", weights, R"({"weights":{"v1":1,"v2":2,"v1":3}})", "400 'v1' is given twice"},
      {"within an array", "PUT", weights, R"({"weights":[{"a":{"b":1}},{"a":{"b":1,"b":2}}]})",
       "400 'b' is given twice"},
      {"an empty name twice", "PUT", weights, R"({"weights":{"":1,"":2}})", "400 '' is given twice"},
      {"at two depths is not twice", "PUT", weights, R"({"weights":{"weights":1,"dry_run":2}})",
       R"(weight set {"name":"www.example","weights":{"weights":1,"dry_run":2}})"},
      {"in two objects is not twice", "PUT", weights, R"({"weights":[{"a":1},{"a":1}]})",
       "400 'weights' has to be a number for each pool"},
      {"an array", "POST", "/v1/reload", "[]", "400 the body has to be a JSON object"},
      {"bad JSON, with its place", "PUT", weights, "{\n  \"weights\": }",
       "400 the body is not valid JSON: syntax error at line 2, column 14"},
      {"cut off", "POST", "/v1/reload",
       "{\"dry_run\":", "400 the body is not valid JSON: incomplete JSON at line 1, column 12"},
      {"two values", "POST", "/v1/reload", "{} {}",
       "400 the body is not valid JSON: extra data at line 1, column 4"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(outcome({row.method, row.target, row.body, false, "root"}) == row.expected);
  }
}

TEST_CASE("nesting has a limit") {
  const std::string brackets(100'000, '[');
  CHECK(outcome({"POST", "/v1/reload", brackets, false, "root"})
            .starts_with("400 the body is not valid JSON: "));
  const auto objects = "{\"weights\":" + brackets + std::string(100'000, ']') + "}";
  CHECK(outcome({"PUT", "/v1/steer/a/weights", objects, false, "root"})
            .starts_with("400 the body is not valid JSON: "));
}

TEST_CASE("changes on a read-only listener") {
  CHECK(outcome({"PUT", "/v1/steer/a/weights", R"({"weights":{"v1":1}})", true, "192.0.2.1"}) ==
        "403 'weight set' is a change, and changes are accepted only on the Unix socket");
  CHECK(outcome({"PUT", "/v1/steer/a/weights?dry_run=true", R"({"weights":{"v1":1}})", true, "192.0.2.1"})
            .starts_with("403 "));
}

TEST_CASE("a report over a read-only listener needs a token, which is handed on") {
  struct Row {
    const char* name;
    const char* authorization;
    const char* token;  // null: refused
  };
  const Row rows[] = {
      {"none", "", nullptr},
      {"another scheme", "Basic b3Blbg==", nullptr},
      {"a scheme that only begins like it", "Bearers open", nullptr},
      {"no token", "Bearer", nullptr},
      {"an empty token", "Bearer ", nullptr},
      {"a token", "Bearer open", "open"},
      {"letter case of the scheme", "bEARER Open", "Open"},
      {"several blanks", "Bearer   open", "open"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto routed = route({"PUT", "/v1/check/self/report/192.0.2.1", R"({"state":"up"})", true,
                               "192.0.2.1", row.authorization});
    if (row.token != nullptr) {
      REQUIRE(std::holds_alternative<control::Request>(routed));
      CHECK(std::get<control::Request>(routed).token == row.token);
      continue;
    }
    REQUIRE(std::holds_alternative<Refusal>(routed));
    CHECK(std::get<Refusal>(routed).status == boost::beast::http::status::unauthorized);
    CHECK(std::get<Refusal>(routed).challenge == "Bearer");
  }
  // Over the socket nothing of it is looked at.
  const auto local =
      route({"PUT", "/v1/check/self/report/192.0.2.1", R"({"state":"up"})", false, "root", "Bearer x"});
  CHECK_FALSE(std::get<control::Request>(local).token.has_value());
}

TEST_CASE("the OpenAPI description says where replies tell of leases") {
  const auto document = json::parse(openapi_document());
  const auto schema = [&](const char* operation, const std::string& more) {
    return document.at_pointer(fmt::format(
        "/paths/{}/responses/200/content/application~1json/schema/properties/{}/$ref", operation, more));
  };
  const json::value leases = "#/components/schemas/Leases";
  CHECK(schema("~1v1~1endpoint~1{address}~1drain/put", "leases") == leases);
  CHECK(schema("~1v1~1rollouts/get", "rollouts/items/properties/leases") == leases);
  CHECK(schema("~1v1~1status/get", "pools/items/properties/endpoints/items/properties/leases") == leases);
  CHECK(document.at_pointer("/components/schemas/Leases/required") ==
        json::parse(R"(["p50", "p90", "p99", "certain"])"));
}

TEST_CASE("the OpenAPI description has an operation for each row") {
  const auto document = json::parse(openapi_document());
  const auto& paths = document.at("paths").as_object();
  std::set<std::string> ids;
  for (const auto& row : control::commands()) {
    CAPTURE(row.words);
    REQUIRE(paths.contains(row.path));
    for (const auto& [method, operation] : paths.at(row.path).as_object()) {
      CHECK(operation.at("responses").as_object().contains("200"));
      ids.insert(json::value_to<std::string>(operation.at("operationId")));
    }
  }
  CHECK(ids.size() == control::commands().size());
  const auto& weights = paths.at("/v1/steer/{name}/weights");
  CHECK(weights.at("put").at("parameters").as_array().size() == 1);
  CHECK(weights.at_pointer("/put/requestBody/content/application~1json/schema/required/0") ==
        json::value("weights"));
  CHECK(weights.at_pointer("/delete/parameters/4/name") == json::value("dry_run"));
}

}  // namespace
}  // namespace sluice::admin
