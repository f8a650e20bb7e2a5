// From an HTTP request to a command of the table, without I/O: what a route means, and every reason to refuse
// one.
//
//   auto routed = route({method, target, body, read_only, who});
//   if (auto* request = std::get_if<control::Request>(&routed)) dispatch(*request) ...
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include <boost/beast/http/status.hpp>

#include "control/commands.hpp"

namespace sluice::admin {

// What of an HTTP request decides about its route. Views into the message: valid as long as it is.
struct HttpCall {
  std::string_view method;
  std::string_view target;  // origin form or absolute form (RFC 9112, 3.2)
  std::string_view body;
  bool read_only = false;  // came in on a listener that nobody has to log in to
  std::string_view who;
  std::string_view authorization = {};  // the field of that name (RFC 9110, 11.6.2)
};

// A refusal that is known before the director is asked.
struct Refusal {
  boost::beast::http::status status;
  Error error;
  std::string allow;           // the Allow field of a 405, else empty
  std::string challenge = {};  // the WWW-Authenticate field of a 401, else empty
};

// A document that the room itself serves.
struct Document {
  std::string json;
};

using Routed = std::variant<control::Request, Document, Refusal>;

Routed route(const HttpCall& call);

// The status code that stands for a refusal of the director's.
boost::beast::http::status http_status(ErrorCode code);

// {"error": {"code": ..., "message": ...}}
std::string error_body(const Error& error);

// The description of all routes as OpenAPI 3.1, made from the table of commands.
std::string openapi_document();

inline constexpr std::string_view openapi_path = "/v1/openapi.json";

}  // namespace sluice::admin
