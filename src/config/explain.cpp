// The reference of all keys, out of the rows of the schema.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/schema.hpp"

namespace sluice::config {
namespace {

constexpr std::size_t line_width = 80;
constexpr std::string_view indent = "      ";

std::string in_lines(std::string_view text) {
  std::string lines, line(indent);
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    if (line.size() + 1 + word.size() > line_width && line != indent) {
      lines += line + "\n";
      line = indent;
    }
    if (line != indent) line += ' ';
    line += word;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines + line + "\n";
}

std::string bounds_of(const KeyRow& row) {
  if (!row.bounds) return row.unit.empty() ? "" : fmt::format(", in {}", row.unit);
  return fmt::format(", {} to {}{}{}", row.bounds->least, row.bounds->most, row.unit.empty() ? "" : " ",
                     row.unit);
}

std::string default_of(const KeyRow& row) {
  if (row.required) return "required";
  return fmt::format("default {}", row.fallback.empty() ? row.derived : row.fallback);
}

std::string explain(const KeyRow& row) {
  auto text = fmt::format("  {}\n", full_name(row));
  text += in_lines(row.doc);
  text += in_lines(
      fmt::format("{}{}; {}{}", expected(row), bounds_of(row), default_of(row),
                  row.only_for.empty() ? "" : fmt::format("; only with type = {}", either_of(row.only_for))));
  return text;
}

// The name of a check, pool, zone or steer in the middle does not matter: "check.web.interval" is
// "check.interval".
std::string without_name(std::string_view key) {
  const auto first = key.find('.'), last = key.rfind('.');
  if (first == last) return std::string(key);
  return fmt::format("{}{}", key.substr(0, first), key.substr(last));
}

}  // namespace

std::string explain(std::string_view key) {
  const auto wanted = without_name(key);
  std::string text;
  for (const auto& section : section_rows()) {
    std::string keys;
    for (const auto& row : key_rows())
      if (row.section == section.section && full_name(row).starts_with(wanted)) keys += explain(row);
    if (keys.empty()) continue;
    text += fmt::format("{}{}\n{}{}", text.empty() ? "" : "\n", section.header, in_lines(section.doc), keys);
  }
  return text;
}

std::optional<std::string> nearest_key(std::string_view key) {
  std::vector<std::string> names;
  for (const auto& row : key_rows()) names.push_back(full_name(row));
  return nearest(without_name(key), names);
}

}  // namespace sluice::config
