#include "probe/agent.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include <fmt/format.h>

#include <boost/beast/core/string.hpp>

#include "base/text.hpp"

namespace sluice::probe {
namespace {

constexpr std::size_t word_shown_max = 40, remark_shown_max = 120;
constexpr std::string_view separators = " \t,";

enum class Means { up, down, ready, drain, nothing };

struct Word {
  std::string_view text;
  Means means;
};
constexpr Word words[] = {
    {"up", Means::up},        {"down", Means::down},   {"failed", Means::down}, {"fail", Means::down},
    {"stopped", Means::down}, {"ready", Means::ready}, {"drain", Means::drain}, {"maint", Means::drain},
};

std::optional<unsigned> parse_number(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// In any case, as with HAProxy.
std::optional<Means> meaning(std::string_view word) {
  const auto known = std::find_if(std::begin(words), std::end(words),
                                  [&](const Word& each) { return boost::beast::iequals(each.text, word); });
  if (known != std::end(words)) return known->means;
  constexpr std::string_view limit = "maxconn:";  // we have no connections to limit
  if (boost::beast::iequals(word.substr(0, limit.size()), limit) && parse_number(word.substr(limit.size())))
    return Means::nothing;
  return std::nullopt;
}

// All words of a line.
struct Said {
  bool down = false, drain = false;
  std::optional<unsigned> percent;
  std::optional<std::string> unknown;  // the first word that means nothing to us, for a person
  std::string text;                    // the words

  void take(std::string_view word) {
    text += fmt::format("{}{}", text.empty() ? "" : " ", word);
    if (word.ends_with('%')) {
      if (const auto number = parse_number(word.substr(0, word.size() - 1))) return void(percent = *number);
    }
    const auto means = meaning(word);
    if (!means && !unknown) unknown = printable(word, word_shown_max);
    if (!means) return;
    switch (*means) {
      case Means::up:
        down = false;
        break;
      case Means::down:
        down = true;
        break;
      case Means::ready:
        drain = false;
        break;
      case Means::drain:
        drain = true;
        break;
      case Means::nothing:
        break;
    }
  }
};

Said parse(std::string_view line) {
  Said said;
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(separators), line.size()));
    if (line.empty()) return said;
    const auto word = line.substr(0, line.find_first_of(separators));
    said.take(word);
    line.remove_prefix(word.size());
  }
}

}  // namespace

bool cut_line(std::string_view& line) {
  const auto end = line.find_first_of("\r\n");
  line = line.substr(0, end);
  return end != std::string_view::npos;
}

health::ProbeResult judge_agent(std::string_view line, Duration took) {
  const auto sharp = std::min(line.find('#'), line.size());
  auto remark = printable(line.substr(std::min(sharp + 1, line.size())), remark_shown_max);
  const auto said = parse(line.substr(0, sharp));
  health::ProbeResult result{false, {}, took};
  if (said.unknown) {
    result.detail = fmt::format("the agent says '{}', which is no word of an agent", *said.unknown);
    return result;
  }
  if (said.text.empty()) {
    result.detail = "the agent says nothing";
    return result;
  }
  result.detail = fmt::format("the agent says {}{}", printable(said.text, agent_size_max),
                              remark.empty() ? "" : fmt::format(" ({})", remark));
  result.success = !said.down;
  result.keeps_share = !said.percent;  // as with HAProxy, where what a line does not name is not changed
  if (said.percent) result.share = std::min(1.0, *said.percent / 100.0);  // there is no more than all of it
  if (said.down)
    result.word = health::Word::down;
  else if (said.drain || said.percent == 0U)
    result.word = health::Word::drain;
  return result;
}

}  // namespace sluice::probe
