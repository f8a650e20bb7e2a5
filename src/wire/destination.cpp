#include "wire/destination.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"

namespace sluice::wire {
namespace {

bool stands_in_host(char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; }

std::string_view last_label(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  return text.substr(text.rfind('.') + 1);  // npos + 1 is 0: the only one
}

}  // namespace

Result<Name> parse_host(std::string_view text) {
  const auto refused = [&](std::string_view why) {
    return Error{ErrorCode::invalid,
                 fmt::format("'{}' is not the name of a host: {}", text.substr(0, 80), why)};
  };
  if (!std::all_of(text.begin(), text.end(), stands_in_host))
    return refused("it holds other characters than letters, digits, '-', '_' and '.'");
  if (text.find('.') == std::string_view::npos) return refused("it has no dot");
  const auto last = last_label(text);
  if (std::all_of(last.begin(), last.end(), is_digit)) return refused("its last label is a number or empty");
  return Name::parse(text);
}

Result<Destination> parse_destination(std::string_view text) {
  if (const auto address = parse_address(text)) return Destination(*address);
  if (auto host = parse_host(text)) return Destination(*std::move(host));
  return Error{ErrorCode::invalid,
               fmt::format("'{}' is neither an IP address nor the name of a host such as 'edge.cdn.example.'",
                           text.substr(0, 80))};
}

std::string to_text(const Destination& destination) {
  if (const auto* address = destination.address()) return to_text(*address);
  return destination.host()->text();
}

}  // namespace sluice::wire
