// The OpenAPI description: one operation for each row of the table of commands.
#include <boost/json.hpp>

#include "admin/route.hpp"
#include "control/lease_status.hpp"

namespace sluice::admin {
namespace {

namespace json = boost::json;
using control::CommandRow;
using control::Param;
using control::ParamType;
using control::Place;

json::object schema_of(ParamType type) {
  switch (type) {
    case ParamType::text:
      return {{"type", "string"}, {"minLength", 1}};
    case ParamType::weights:
      return {{"type", "object"},
              {"additionalProperties", {{"type", "number"}, {"minimum", 0}}},
              {"minProperties", 1}};
    case ParamType::duration:
      return {
          {"type", "string"}, {"pattern", "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$"}, {"examples", {"30s", "10m"}}};
    case ParamType::number:
      return {{"type", "integer"}, {"minimum", 0}};
    case ParamType::time:
      return {{"type", "string"},
              {"examples", {"2026-12-01T02:00:00Z", "2026-12-01T03:00:00+01:00", "+10m"}}};
    case ParamType::percent:
      return {{"type", "string"}, {"pattern", "^[0-9]+(\\.[0-9]+)?%$"}, {"examples", {"75%"}}};
    case ParamType::state: {
      json::array states;
      for (const auto state : control::reported_states) states.emplace_back(state);
      return {{"type", "string"}, {"enum", std::move(states)}};
    }
    case ParamType::flag:
      return {{"type", "boolean"}, {"default", false}};
  }
  return {};
}

json::object parameter(const Param& param) {
  return {{"name", param.name},
          {"in", param.place == Place::path ? "path" : "query"},
          {"required", param.required},
          {"description", param.help},
          {"schema", schema_of(param.type)}};
}

json::object dry_run_schema() {
  return {
      {"type", "boolean"}, {"default", false}, {"description", "say what would happen, and change nothing"}};
}

// The members of the JSON body; a change can always be asked for as a dry run.
json::object body_schema(const CommandRow& row) {
  json::object properties;
  json::array required;
  for (const auto& param : row.params) {
    if (param.place != Place::body) continue;
    auto schema = schema_of(param.type);
    schema["description"] = param.help;
    properties[param.name] = std::move(schema);
    if (param.required) required.emplace_back(param.name);
  }
  properties["dry_run"] = dry_run_schema();
  json::object schema{
      {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

json::object content(std::string_view media_type, json::object schema) {
  return {{media_type, {{"schema", std::move(schema)}}}};
}

// ---- replies ----

constexpr std::string_view leases_name = "Leases", leases_ref = "#/components/schemas/Leases";

json::object time_schema() { return {{"type", "string"}, {"format", "date-time"}}; }

json::object leases_schema() {
  json::object properties;
  json::array required;
  for (const auto member : control::lease_members) {
    properties[member] = time_schema();
    required.emplace_back(member);
  }
  return {
      {"type", {"object", "null"}},
      {"description",
       "by when half, 90 % and 99 % of the caches that obey the TTL have let go, and from when on none of "
       "them holds it; null: nothing is waited for"},
      {"properties", std::move(properties)},
      {"required", std::move(required)},
      {"additionalProperties", false}};
}

// Replies that tell of leases: of each element of a list, or of a list in it.
struct ReplyWithLeases {
  control::CommandId id;
  std::vector<std::string_view> lists;  // the outer one first; empty: they stand in the reply itself
};

const ReplyWithLeases replies_with_leases[] = {
    {control::CommandId::status, {"pools", "endpoints"}},
    {control::CommandId::rollout_status, {"rollouts"}},
    {control::CommandId::rollout_history, {"rollouts"}},
    {control::CommandId::rolling_status, {"rollings"}},
    {control::CommandId::rolling_history, {"rollings"}},
    {control::CommandId::endpoint_drain, {}},
    {control::CommandId::endpoint_down, {}},
};

// A word that is scheduled has nothing to wait for yet.
json::object with_leases(const std::vector<std::string_view>& lists) {
  json::object schema{{"type", "object"}, {"properties", {{"leases", {{"$ref", leases_ref}}}}}};
  if (lists.empty()) {
    auto cached_until = time_schema();
    cached_until["type"] = {"string", "null"};
    schema.at("properties").as_object()["cached_until"] = std::move(cached_until);
  } else {
    schema["required"] = {"leases"};
  }
  for (auto list = lists.rbegin(); list != lists.rend(); ++list)
    schema = {{"type", "object"},
              {"properties", {{*list, {{"type", "array"}, {"items", std::move(schema)}}}}},
              {"required", {*list}}};
  return schema;
}

// What is described of a reply; it has more.
json::object reply_schema(const CommandRow& row) {
  for (const auto& [id, lists] : replies_with_leases)
    if (id == row.id) return with_leases(lists);
  return {{"type", "object"}};
}

json::object responses(const CommandRow& row) {
  const bool text = row.id == control::CommandId::metrics;
  json::object done{{"description", "done"},
                    {"content", text ? content("text/plain", {{"type", "string"}})
                                     : content("application/json", reply_schema(row))}};
  json::object refused{{"description", "refused, and nothing was changed"},
                       {"content", content("application/json", {{"$ref", "#/components/schemas/Error"}})}};
  return {{"200", std::move(done)}, {"default", std::move(refused)}};
}

// "weight set" -> "weight_set"
std::string operation_id(const CommandRow& row) {
  std::string id(row.words);
  for (auto& c : id)
    if (c == ' ') c = '_';
  return id;
}

json::object operation(const CommandRow& row) {
  json::object result{
      {"operationId", operation_id(row)}, {"summary", row.help}, {"responses", responses(row)}};
  json::array parameters;
  for (const auto& param : row.params)
    if (param.place != Place::body) parameters.emplace_back(parameter(param));
  const bool has_body = row.changes && row.method != "DELETE";
  if (row.changes && !has_body)
    parameters.emplace_back(json::object{{"name", "dry_run"}, {"in", "query"}, {"schema", dry_run_schema()}});
  if (!parameters.empty()) result["parameters"] = std::move(parameters);
  // Over the Unix socket nothing of it is needed.
  if (row.with_token) result["security"] = {{{"token", json::array()}}, json::object()};
  if (has_body) result["requestBody"] = {{"content", content("application/json", body_schema(row))}};
  return result;
}

json::object error_schema() {
  return {{"type", "object"},
          {"properties",
           {{"error",
             {{"type", "object"},
              {"properties",
               {{"code", {{"enum", {"invalid", "not_found", "refused", "forbidden", "unavailable"}}}},
                {"message", {{"type", "string"}}}}}}}}}};
}

std::string lower_case(std::string_view method) {
  std::string text(method);
  for (auto& c : text) c = static_cast<char>(c | 0x20);
  return text;
}

}  // namespace

std::string openapi_document() {
  json::object paths;
  for (const auto& row : control::commands()) {
    auto& path = paths[row.path];
    if (!path.is_object()) path.emplace_object();
    path.get_object()[lower_case(row.method)] = operation(row);
  }
  json::object components{{"schemas", {{"Error", error_schema()}, {leases_name, leases_schema()}}},
                          {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}};
  json::object document{{"openapi", "3.1.0"},
                        {"info", {{"title", "Sluice"}, {"version", SLUICE_VERSION}}},
                        {"paths", std::move(paths)},
                        {"components", std::move(components)}};
  return json::serialize(document);
}

}  // namespace sluice::admin
