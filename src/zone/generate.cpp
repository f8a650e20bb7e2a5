#include "zone/generate.hpp"

#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace sluice::zone {
namespace {

constexpr unsigned width_max = 255;  // no name is longer

struct Format {
  std::int64_t offset = 0;
  unsigned width = 0;
  char base = 'd';
};

// Reads a number from the front of `text`, and takes it away.
template <class Number>
bool take_number(std::string_view& text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// What stands between the braces.
std::optional<Format> parse_format(std::string_view text) {
  Format format;
  if (!take_number(text, format.offset)) return {};
  if (take(text, ',') && (!take_number(text, format.width) || format.width > width_max)) return {};
  if (take(text, ',')) {
    if (text.size() != 1 || std::string_view("doxXnN").find(text[0]) == std::string_view::npos) return {};
    format.base = text[0];
    text.remove_prefix(1);
  }
  return text.empty() ? std::optional(format) : std::nullopt;
}

// The digits as labels, the last one first, as ip6.arpa has them: 0x12 is "2.1". The width counts the dots,
// too.
std::string nibbles(std::uint64_t value, unsigned width, bool upper) {
  std::string text;
  do {
    if (!text.empty()) text += '.';
    text += (upper ? "0123456789ABCDEF" : "0123456789abcdef")[value & 15];
    value >>= 4;
  } while (value != 0 || text.size() + 1 < width);
  return text;
}

std::string number_text(std::uint64_t value, const Format& format) {
  switch (format.base) {
    case 'o':
      return fmt::format("{:0{}o}", value, format.width);
    case 'x':
      return fmt::format("{:0{}x}", value, format.width);
    case 'X':
      return fmt::format("{:0{}X}", value, format.width);
    case 'n':
      return nibbles(value, format.width, false);
    case 'N':
      return nibbles(value, format.width, true);
    default:
      return fmt::format("{:0{}d}", value, format.width);
  }
}

}  // namespace

Result<GenerateRange> parse_generate_range(std::string_view text) {
  GenerateRange range;
  const Error malformed{ErrorCode::invalid, "expected START-STOP or START-STOP/STEP with START up to STOP"};
  if (!take_number(text, range.start) || !take(text, '-') || !take_number(text, range.stop)) return malformed;
  if (take(text, '/') && !take_number(text, range.step)) return malformed;
  if (!text.empty() || range.step == 0 || range.start > range.stop) return malformed;
  if ((range.stop - range.start) / range.step >= generate_records_max)
    return Error{ErrorCode::invalid,
                 fmt::format("one $GENERATE writes at most {} records", generate_records_max)};
  return range;
}

Result<std::string> expand_generate(std::string_view word, std::uint32_t number) {
  std::string text;
  while (!word.empty()) {
    const char c = word.front();
    word.remove_prefix(1);
    text += c;
    if (c == '\\' && !word.empty()) {
      text += word.front();
      word.remove_prefix(1);
    }
    if (c != '$') continue;
    text.pop_back();
    Format format;
    if (take(word, '{')) {
      const auto close = word.find('}');
      const auto parsed = parse_format(word.substr(0, close));
      if (close == std::string_view::npos || !parsed)
        return Error{ErrorCode::invalid, "expected ${OFFSET,WIDTH,BASE} with BASE one of d, o, x, X, n, N"};
      format = *parsed;
      word.remove_prefix(close + 1);
    }
    const auto value = std::int64_t{number} + format.offset;
    if (format.offset > UINT32_MAX || value < 0)
      return Error{ErrorCode::invalid,
                   fmt::format("number {} with offset {} is out of range", number, format.offset)};
    text += number_text(static_cast<std::uint64_t>(value), format);
  }
  return text;
}

}  // namespace sluice::zone
