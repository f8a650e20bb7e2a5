// The pure parts that read what others say: an agent's line, and the begin of a body.
#include <string>

#include <doctest/doctest.h>

#include "probe/agent.hpp"
#include "probe/body.hpp"

using namespace sluice;
using namespace sluice::probe;
using namespace std::chrono_literals;

TEST_CASE("what an agent says") {
  using health::Word;
  const struct {
    const char* name;
    std::string line;
    bool success;
    Word word;
    double share;
    std::string detail;
  } rows[] = {
      {"up", "up", true, Word::none, 1, "the agent says up"},
      {"in any case", "READY", true, Word::none, 1, "the agent says READY"},
      {"a weight", "75%", true, Word::none, 0.75, "the agent says 75%"},
      {"several words", "  ready,\tup 30% ", true, Word::none, 0.3, "the agent says ready up 30%"},
      {"all of its weight at most", "250%", true, Word::none, 1, "the agent says 250%"},
      {"0% is a drain", "up 0%", true, Word::drain, 0, "the agent says up 0%"},
      {"a share beside a drain", "drain 50%", true, Word::drain, 0.5, "the agent says drain 50%"},
      {"a share for later", "down 50%", false, Word::down, 0.5, "the agent says down 50%"},
      {"drain", "drain", true, Word::drain, 1, "the agent says drain"},
      {"maint", "maint 50%", true, Word::drain, 0.5, "the agent says maint 50%"},
      {"down", "down", false, Word::down, 1, "the agent says down"},
      {"failed", "failed", false, Word::down, 1, "the agent says failed"},
      {"fail", "fail", false, Word::down, 1, "the agent says fail"},
      {"stopped, with a remark", "stopped#for the night", false, Word::down, 1,
       "the agent says stopped (for the night)"},
      {"the remark may look like words", "up #not down, 0%", true, Word::none, 1,
       "the agent says up (not down, 0%)"},
      {"down wins over drain", "drain down", false, Word::down, 1, "the agent says drain down"},
      {"the last word counts", "down up", true, Word::none, 1, "the agent says down up"},
      {"the last of the others, too", "drain ready", true, Word::none, 1, "the agent says drain ready"},
      {"a limit that we do not have", "up maxconn:30", true, Word::none, 1, "the agent says up maxconn:30"},
      {"nothing", "", false, Word::none, 1, "the agent says nothing"},
      {"a remark only", " # hello", false, Word::none, 1, "the agent says nothing"},
      {"another word", "up and away", false, Word::none, 1,
       "the agent says 'and', which is no word of an agent"},
      {"another protocol", "SSH-2.0-OpenSSH_9.2p1", false, Word::none, 1,
       "the agent says 'SSH-2.0-OpenSSH_9.2p1', which is no word of an agent"},
      {"no number", "x%", false, Word::none, 1, "the agent says 'x%', which is no word of an agent"},
      {"less than nothing", "-5%", false, Word::none, 1,
       "the agent says '-5%', which is no word of an agent"},
      {"a number without end", "99999999999%", false, Word::none, 1,
       "the agent says '99999999999%', which is no word of an agent"},
      {"escape codes and no UTF-8",
       "\x1B[31m\xFF"
       "bad",
       false, Word::none, 1, "the agent says '[31mbad', which is no word of an agent"},
      {"nothing that can be shown", "up \x01\xFF", false, Word::none, 1,
       "the agent says '', which is no word of an agent"},
      {"a long word", std::string(200, 'x'), false, Word::none, 1,
       "the agent says '" + std::string(40, 'x') + "...', which is no word of an agent"},
      {"escape codes in a remark", "down #\x1B]0;x\x07", false, Word::down, 1, "the agent says down (]0;x)"},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.name));
    const auto result = judge_agent(row.line, 5ms);
    CHECK(result.success == row.success);
    CHECK(result.word == row.word);
    CHECK(result.share == doctest::Approx(row.share));
    if (result.success)
      CHECK(result.keeps_share == (row.line.substr(0, row.line.find('#')).find('%') == std::string::npos));
    CHECK(result.detail == row.detail);
    CHECK(result.took == 5ms);
  }
}

TEST_CASE("a line ends at the first line end") {
  const struct {
    std::string text, line;
    bool ended;
  } rows[] = {{"up\n", "up", true}, {"up\r\ndown\n", "up", true}, {"\nup", "", true}, {"up", "up", false}};
  for (const auto& row : rows) {
    std::string_view line = row.text;
    CHECK(cut_line(line) == row.ended);
    CHECK(line == row.line);
  }
}

namespace {

// How much was taken before the search was settled.
std::size_t feed(BodySearch& search, std::string_view text, std::size_t piece) {
  std::size_t taken = 0;
  while (taken < text.size() && !search.settled()) {
    const auto room = search.room();
    const auto size = std::min({piece, room.size(), text.size() - taken});
    REQUIRE(size > 0);
    text.copy(room.data(), size, taken);
    search.take(size);
    taken += size;
  }
  return taken;
}

}  // namespace

TEST_CASE("a body is searched as it comes, and not beyond its begin") {
  const std::string filler(body_size_max - 10, 'x');
  const struct {
    const char* name;
    const char *wanted, *pattern;  // one of them
    std::string text;
    bool found;
  } rows[] = {
      {"at once", "ok", nullptr, "ok", true},
      {"in the middle", "needle", nullptr, "a needle in a haystack", true},
      {"not there", "needle", nullptr, "need less", false},
      {"an empty body", "ok", nullptr, "", false},
      {"one octet", "k", nullptr, "ok", true},
      {"at the very end of what is looked at", "needle", nullptr, filler + "....needle", true},
      {"just beyond", "needle", nullptr, filler + ".....needle", false},
      {"a pattern", nullptr, "n.+e\\b", "a needle in a haystack", true},
      {"a pattern that wants the end", nullptr, "^ok$", "ok", true},
      {"a pattern that wants the end, and there is more", nullptr, "^ok$", "okay", false},
      {"a pattern at the very end", nullptr, "need[l]e", filler + "....needle", true},
      {"a pattern just beyond", nullptr, "need[l]e", filler + ".....needle", false},
      {"invalid UTF-8", nullptr, "o.k", "\xFF\xC3o\xC3\xA4k\xFF", true},
      {"a hard pattern", nullptr, "(x+x+)+y", filler, false},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.name));
    config::Check check;
    if (row.wanted) check.body = row.wanted;
    const auto pattern = config::Pattern::compile(row.pattern ? row.pattern : "").value();
    for (const std::size_t piece : {1, 7, 4096, 1 << 20}) {
      CAPTURE(piece);
      BodySearch search(check, row.pattern ? &pattern : nullptr);
      const auto text = row.text + std::string(row.text.size() > body_size_max ? 10'000 : 0, 'x');
      CHECK(feed(search, text, piece) <= body_size_max);
      search.end();
      CHECK(search.found() == row.found);
    }
  }
}

TEST_CASE("what is found early is not waited for") {
  config::Check check;
  check.body = "ok";
  BodySearch text(check, nullptr);
  CHECK(feed(text, "all is ok, and now for something else", 1) == 9);
  CHECK(text.found());
  check.body.clear();
  const auto compiled = config::Pattern::compile("o[k]").value();
  BodySearch pattern(check, &compiled);
  CHECK(feed(pattern, "all is ok, and now for something else", 1) ==
        10);  // one more: "okay" could be asked for
  CHECK(pattern.found());
}
