// Text in columns, for a terminal.
//
//   Table table({"POOL", "SHARE"});
//   table.add({{"v1"}, {"95.0%", Colour::none, Side::right}});
//   table.text(colour)
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::ctl {

enum class Colour : unsigned char { none, good, bad, warning, strong };
enum class Side : unsigned char { left, right };

// `text` as it is, or between the terminal's escapes.
std::string paint(std::string_view text, Colour colour, bool colours);

// Safe to print: control characters, which could be a terminal's commands, become '?'. What operators and
// servers wrote comes through here.
std::string printable(std::string_view text);

// How many columns a terminal needs for it, all characters taken to be of single width.
std::size_t display_width(std::string_view text);

// At most `width` columns, the last being "…" when something was cut off.
std::string shortened(std::string_view text, std::size_t width);

struct Cell {
  std::string text;
  Colour colour = Colour::none;
};

struct Column {
  std::string title;  // a column without a title and with empty cells only takes no room
  Side side = Side::left;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }

  // Lines of at most `width` columns; the last cell of a row is cut to fit.
  std::string text(std::size_t indent, bool colours, std::size_t width) const;

 private:
  std::vector<std::size_t> widths() const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace sluice::ctl
