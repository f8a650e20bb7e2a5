#include "control/arguments.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace sluice::control {
namespace {

// More would be a page, and not a hint.
constexpr std::size_t listed_max = 8;

}  // namespace

std::string text_argument(const Request& request, std::string_view name) {
  const auto* value = request.arguments.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string reason_text(const Request& request) {
  const auto reason = text_argument(request, "reason");
  return reason.empty() ? "" : fmt::format(" ({})", reason);
}

std::optional<Duration> duration_argument(const Request& request, std::string_view name) {
  const auto* value = request.arguments.if_contains(name);
  if (value == nullptr) return {};
  return parse_duration(value->get_string()).value();
}

std::optional<std::uint64_t> number_argument(const Request& request, std::string_view name) {
  const auto* value = request.arguments.if_contains(name);
  if (value == nullptr) return {};
  return value->to_number<std::uint64_t>();
}

Error unknown(std::string what, std::string_view name, const std::vector<std::string>& known) {
  if (const auto likely = nearest(name, known)) {
    what += fmt::format("; did you mean '{}'?", *likely);
  } else if (!known.empty() && known.size() <= listed_max) {
    what += fmt::format("; there is {}", fmt::join(known, ", "));
  }
  return {ErrorCode::not_found, std::move(what)};
}

Error unknown_pool(const config::Steer& steer, std::string_view pool) {
  return unknown(fmt::format("{} has no pool '{}'", steer.name.text(), pool), pool, steer.pool_names());
}

}  // namespace sluice::control
