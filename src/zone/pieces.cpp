#include "zone/pieces.hpp"

#include <algorithm>

namespace sluice::zone {
namespace {

bool begins_owner(char c) { return std::string_view(" \t\r\n;$()").find(c) == std::string_view::npos; }

// Where the first line at or behind `from` begins that names its owner; the text's end when none does.
std::size_t next_owner(std::string_view text, std::size_t from) {
  for (auto end = text.find('\n', std::max<std::size_t>(from, 1) - 1); end != std::string_view::npos;
       end = text.find('\n', end + 1))
    if (end + 1 < text.size() && begins_owner(text[end + 1])) return end + 1;
  return text.size();
}

bool has(std::string_view text, std::string_view what) { return text.find(what) != std::string_view::npos; }

}  // namespace

std::vector<std::string_view> cut(std::string_view text, unsigned count, const PieceSizes& sizes) {
  const auto head = next_owner(text, std::min(sizes.head, text.size()));
  auto rest = text.substr(head);
  const auto pieces = std::min<std::size_t>(count, rest.size() / sizes.piece);
  if (pieces < 2 || has(rest, "(") || has(rest, ")") || has(rest, "\n$")) return {text};
  std::vector<std::string_view> cuts{text.substr(0, head)};
  for (auto left = pieces; left > 0 && !rest.empty(); --left) {
    const auto end = left == 1 ? rest.size() : next_owner(rest, rest.size() / left);
    cuts.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return cuts;
}

}  // namespace sluice::zone
