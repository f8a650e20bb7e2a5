#include "table.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::ctl {
namespace {

constexpr std::size_t gap = 2;  // blanks between two columns

bool continues_character(char octet) { return (static_cast<unsigned char>(octet) & 0xC0) == 0x80; }  // UTF-8

}  // namespace

std::string paint(std::string_view text, Colour colour, bool colours) {
  const char* code = "";
  switch (colour) {
    case Colour::none:
      break;
    case Colour::good:
      code = "32";
      break;
    case Colour::bad:
      code = "31";
      break;
    case Colour::warning:
      code = "33";
      break;
    case Colour::strong:
      code = "1";
      break;
  }
  if (!colours || *code == '\0' || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string printable(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octet = static_cast<unsigned char>(text[i]);
    const bool c0 = octet < 0x20 || octet == 0x7f;
    // U+0080 to U+009F: some terminals take them for commands as well.
    const bool c1 = octet == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    result += c0 || c1 ? '?' : text[i];
    if (c1) ++i;
  }
  return result;
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

std::string shortened(std::string_view text, std::size_t width) {
  if (display_width(text) <= width || width == 0) return std::string(text);
  std::size_t characters = 0, end = 0;
  for (; end < text.size(); ++end)
    if (!continues_character(text[end]) && ++characters == width) break;
  return std::string(text.substr(0, end)) + "…";
}

std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> result;
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    auto width = display_width(columns_[column].title);
    for (const auto& row : rows_)
      if (column < row.size()) width = std::max(width, display_width(row[column].text));
    result.push_back(width);
  }
  return result;
}

std::string Table::text(std::size_t indent, bool colours, std::size_t width) const {
  const auto columns = widths();
  std::string result;
  auto add_line = [&](const std::vector<Cell>& row) {
    std::string line(indent, ' ');
    std::size_t at = indent, pending = 0;  // blanks are written only before something: no line ends in one
    for (std::size_t i = 0; i < row.size() && i < columns.size(); ++i) {
      if (columns[i] == 0) continue;
      const bool last = i + 1 == columns_.size();
      const auto text =
          last && width > at + pending ? shortened(row[i].text, width - at - pending) : row[i].text;
      const auto blanks = columns[i] - std::min(columns[i], display_width(text));
      if (columns_[i].side == Side::right) pending += blanks;
      if (!text.empty()) {
        line += std::string(pending, ' ') + paint(text, row[i].colour, colours);
        at += pending + display_width(text);
        pending = 0;
      }
      if (columns_[i].side == Side::left) pending += blanks;
      pending += gap;
    }
    result += line + "\n";
  };
  std::vector<Cell> titles;
  for (const auto& column : columns_) titles.push_back({column.title, Colour::none});
  if (std::any_of(columns_.begin(), columns_.end(), [](const Column& c) { return !c.title.empty(); }))
    add_line(titles);
  for (const auto& row : rows_) add_line(row);
  return result;
}

}  // namespace sluice::ctl
