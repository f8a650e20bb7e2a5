#include "http_call.hpp"

#include <boost/json/serialize.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using control::Place;

std::string encoded(const json::value& value) {
  const auto text = value.is_string() ? std::string(value.get_string()) : json::serialize(value);
  return boost::urls::encode(text, boost::urls::unreserved_chars);
}

void replace(std::string& target, std::string_view name, const std::string& value) {
  const auto placeholder = "{" + std::string(name) + "}";
  if (const auto at = target.find(placeholder); at != std::string::npos)
    target.replace(at, placeholder.size(), value);
}

}  // namespace

HttpCall to_http(const control::CommandRow& row, const json::object& arguments, bool dry_run) {
  HttpCall call{std::string(row.method), std::string(row.path), {}};
  std::string query;
  json::object body;
  auto add_query = [&](std::string_view name, const json::value& value) {
    query += (query.empty() ? "?" : "&") + std::string(name) + "=" + encoded(value);
  };
  for (const auto& param : row.params) {
    const auto* value = arguments.if_contains(param.name);
    if (!value) continue;
    switch (param.place) {
      case Place::path:
        replace(call.target, param.name, encoded(*value));
        break;
      case Place::query:
        add_query(param.name, *value);
        break;
      case Place::body:
        body[param.name] = *value;
        break;
    }
  }
  // RFC 9110, 9.3.5: a body of DELETE has no defined meaning.
  if (dry_run && row.method == "DELETE") add_query("dry_run", "true");
  if (dry_run && row.method != "DELETE") body["dry_run"] = true;
  call.target += query;
  if (!body.empty()) call.body = json::serialize(body);
  return call;
}

}  // namespace sluice::ctl
