#include "config/errors.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace sluice::config {
namespace {

// Longer than any domain name that people use; a message has to stay readable.
constexpr std::size_t shown_size_max = 100;

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }  // of UTF-8

}  // namespace

Diagnostics Errors::take() {
  auto place = [](const Diagnostic& d) { return std::tie(d.at.line, d.at.column); };
  std::stable_sort(list_.begin(), list_.end(),
                   [&](const Diagnostic& a, const Diagnostic& b) { return place(a) < place(b); });
  return std::exchange(list_, {});
}

std::string shown(std::string_view text) {
  std::size_t size = std::min(text.size(), shown_size_max);
  if (size < text.size())
    while (size > 0 && continues_character(text[size])) --size;
  std::string line;
  for (const char c : text.substr(0, size)) {
    if (const auto octet = static_cast<unsigned char>(c); octet < 0x20 || octet == 0x7F)
      line += fmt::format("\\u{:04X}", octet);
    else
      line += c;
  }
  return size < text.size() ? line + "..." : line;
}

}  // namespace sluice::config
