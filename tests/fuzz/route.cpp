// HTTP requests to the admin API: the first octet is the listener and the method, the first line the target,
// the rest the body.
#include "admin/route.hpp"

#include <algorithm>

#include <boost/json.hpp>

#include "rules.hpp"

using namespace sluice;

namespace {

const control::CommandRow& row_of(control::CommandId id) {
  const auto rows = control::commands();
  return *std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.id == id; });
}

void check_request(const control::Request& request, bool read_only) {
  const auto& row = row_of(request.id);
  fuzz::require(control::check_arguments(row, request.arguments).has_value(), "the arguments are the row's");
  fuzz::require(!(read_only && row.changes), "a read-only listener changes nothing");
}

void check_refusal(const admin::Refusal& refusal) {
  const auto status = static_cast<unsigned>(refusal.status);
  fuzz::require(status >= 400 && status < 500, "a refusal is the client's fault");
  fuzz::require(boost::json::parse(admin::error_body(refusal.error)).is_object(), "a refusal is JSON");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::string_view methods[] = {"GET",  "PUT",   "POST",    "DELETE",
                                                 "HEAD", "PATCH", "OPTIONS", ""};
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto end = std::min(text.find('\n'), text.size());
  const auto body = text.substr(std::min(end + 1, text.size()));
  const bool read_only = (data[0] & 8) != 0;
  const auto routed = admin::route({methods[data[0] % 8], text.substr(0, end), body, read_only, "fuzz"});
  if (const auto* request = std::get_if<control::Request>(&routed)) check_request(*request, read_only);
  if (const auto* refusal = std::get_if<admin::Refusal>(&routed)) check_refusal(*refusal);
  return 0;
}
