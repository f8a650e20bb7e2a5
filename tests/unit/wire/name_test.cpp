// Names: their text and wire forms, their limits, and the fixed buffer that the answer path uses.
#include "wire/name.hpp"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "messages.hpp"

namespace sluice::wire {
namespace {

using namespace std::string_literals;
using test::name_octets;
using test::Octets;

// `count` labels of `length` octets each, with a final dot.
std::string labels(std::size_t count, std::size_t length) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += std::string(length, 'a') + ".";
  return text;
}

Octets wire_of(const Name& name) { return {name.wire().begin(), name.wire().end()}; }

TEST_CASE("Name::parse reads presentation form") {
  const struct {
    const char* name;
    std::string text;
    Octets wire;
    std::string canonical;
  } cases[] = {
      {"the root", ".", {0}, "."},
      {"one label", "example.", {7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0}, "example."},
      {"a missing final dot", "a.b", {1, 'a', 1, 'b', 0}, "a.b."},
      {"capitals", "A.bC.", {1, 'a', 2, 'b', 'c', 0}, "a.bc."},
      {"an escaped dot", "a\\.b.c.", {3, 'a', '.', 'b', 1, 'c', 0}, "a\\.b.c."},
      {"an escaped dot at the end", "a\\.", {2, 'a', '.', 0}, "a\\.."},
      {"an escaped backslash", "a\\\\b.", {3, 'a', '\\', 'b', 0}, "a\\\\b."},
      {"an escaped letter is that letter", "\\X.", {1, 'x', 0}, "x."},
      {"three digits", "a\\000b.", {3, 'a', 0, 'b', 0}, "a\\000b."},
      {"the greatest octet", "\\255.", {1, 255, 0}, "\\255."},
      {"a capital by its number", "\\065.", {1, 'a', 0}, "a."},
      {"digits behind three digits", "\\0651.", {2, 'a', '1', 0}, "a1."},
      {"a space", "a b.", {3, 'a', ' ', 'b', 0}, "a\\032b."},
      {"what is special in a zone file",
       "\";()@$.",
       {6, '"', ';', '(', ')', '@', '$', 0},
       "\\\"\\;\\(\\)\\@\\$."},
      {"a wildcard", "*.example.", {1, '*', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0}, "*.example."},
      {"octets beyond ASCII have no case", "\xC3\x84.", {2, 0xC3, 0x84, 0}, "\\195\\132."},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const auto name = Name::parse(c.text);
    REQUIRE(name.has_value());
    CHECK(wire_of(*name) == c.wire);
    CHECK(name->text() == c.canonical);
    CHECK(Name::parse(c.canonical).value() == *name);
    CHECK(Name::from_wire(c.wire).value() == *name);
  }
}

TEST_CASE("Name::parse knows the limits") {
  const struct {
    const char* name;
    std::string text;
    bool good;
  } cases[] = {
      {"a label of 63 octets", labels(1, 63), true},
      {"a label of 64 octets", labels(1, 64), false},
      {"63 octets, one of them escaped", std::string(62, 'a') + "\\000.", true},
      {"64 octets, one of them escaped", std::string(63, 'a') + "\\000.", false},
      {"127 labels make 255 octets", labels(127, 1), true},
      {"128 labels make 257", labels(128, 1), false},
      {"255 octets", labels(3, 63) + labels(1, 61), true},
      {"255 octets without the final dot", labels(3, 63) + std::string(61, 'a'), true},
      {"256 octets", labels(3, 63) + labels(1, 62), false},
      {"a megabyte", std::string(1 << 20, 'a'), false},
      {"a megabyte of labels", labels(1 << 19, 1), false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const auto name = Name::parse(c.text);
    CHECK(name.has_value() == c.good);
    if (!name) CHECK(name.error().message.size() < 200);
  }
}

TEST_CASE("Name::parse refuses what is no name") {
  const std::string texts[] = {""s,    ".."s,    ".a."s,     "a..b."s,   "a.."s,
                               "a\\"s, "a\\25"s, "a\\2x5."s, "a\\256."s, "\\1"s};
  for (const auto& text : texts) {
    CAPTURE(text);
    const auto name = Name::parse(text);
    REQUIRE_FALSE(name.has_value());
    CHECK(name.error().code == ErrorCode::invalid);
    CHECK(name.error().message.find("'" + text + "' is not a domain name") == 0);
  }
}

TEST_CASE("Name::from_wire takes one whole, uncompressed name") {
  const struct {
    const char* name;
    Octets wire;
  } refused[] = {
      {"nothing", {}},
      {"no root", {1, 'a'}},
      {"a label cut short", {5, 'a', 0}},
      {"a pointer", {1, 'a', 0xC0, 0}},
      {"a reserved label type", {0x40, 'a', 0}},
      {"something behind the name", {1, 'a', 0, 0}},
      {"256 octets", name_octets(labels(3, 63) + labels(1, 62))},
  };
  for (const auto& c : refused) {
    CAPTURE(c.name);
    CHECK_FALSE(Name::from_wire(c.wire).has_value());
  }
  CHECK(Name::from_wire(Octets{1, 'Q', 0}).value().text() == "q.");
}

TEST_CASE("names know their ancestors") {
  auto name = [](std::string_view text) { return Name::parse(text).value(); };
  const struct {
    const char* name;
    const char* ancestor;
    bool expected;
  } cases[] = {
      {"a.b.", "b.", true},      {"a.b.", "a.b.", true},
      {"a.b.", ".", true},       {".", ".", true},
      {"b.", "a.b.", false},     {"ab.", "b.", false},
      {"x.ab.", "b.", false},    {".", "a.", false},
      {"a\\.b.", "b.", false},   {"a.b.c.", "b.c.", true},
      {"a.b.c.", "a.b.", false}, {"a.\\001b.", "b.", false},  // the octets \001 b . look like the name b.
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CAPTURE(c.ancestor);
    CHECK(name(c.name).is_subdomain_of(name(c.ancestor)) == c.expected);
  }
  CHECK(name("a.b.c.").parent() == name("b.c."));
  CHECK(name("c.").parent() == Name());
  CHECK(Name().parent() == Name());
  CHECK(Name().is_root());
  CHECK(Name().label_count() == 0);
  CHECK(name("a.b.c.").label_count() == 3);
  CHECK(name(labels(127, 1)).label_count() == 127);
}

TEST_CASE("a wildcard is one octet, an asterisk (RFC 4592, 2.1.1)") {
  const struct {
    const char* text;
    bool expected;
  } cases[] = {{"*.", true},     {"*.a.", true},   {"a.*.", false},
               {"**.a.", false}, {"*a.b.", false}, {".", false}};
  for (const auto& c : cases) {
    CAPTURE(c.text);
    CHECK(Name::parse(c.text).value().is_wildcard() == c.expected);
  }
}

TEST_CASE("LookupName lowers letters and knows its suffixes") {
  const Octets octets = name_octets("Www.ExAmple.");
  LookupName name;
  REQUIRE(name.assign(octets) == octets.size());
  CHECK(name.label_count() == 2);
  CHECK(to_text(name.wire()) == "www.example.");
  CHECK(to_text(name.suffix(1)) == "example.");
  CHECK(to_text(name.suffix(2)) == ".");
  CHECK(name.suffix_offset(0) == 0);
  CHECK(name.suffix_offset(1) == 4);
  CHECK(name.suffix_offset(2) == 12);

  Octets longer = octets;
  longer.push_back(0xFF);
  CHECK(name.assign(longer) == octets.size());  // what follows is not the name's
  CHECK(name.assign(Octets{0}) == 1);
  CHECK(name.label_count() == 0);
}

TEST_CASE("LookupName refuses every name that is cut short, and reads no octet beyond") {
  for (const auto& text : {"www.example."s, labels(127, 1), labels(3, 63) + labels(1, 61)}) {
    const Octets whole = name_octets(text);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      const Octets cut(whole.begin(),
                       whole.begin() + static_cast<std::ptrdiff_t>(size));  // its own memory, for ASan
      LookupName name;
      CHECK(name.assign(cut) == 0);
    }
    LookupName name;
    CHECK(name.assign(whole) == whole.size());
  }
}

TEST_CASE("LookupName refuses pointers, reserved labels and names that are too long") {
  const struct {
    const char* name;
    Octets octets;
  } cases[] = {
      {"a pointer", {0xC0, 12}},
      {"a pointer behind a label", {1, 'a', 0xC0, 12, 0}},
      {"an extended label (RFC 6891, 5)", {0x41, 'a', 0}},
      {"a label type of 0b10", {0x80, 'a', 0}},
      {"64 octets, whose length looks like a label type", Octets(100, 64)},
      {"256 octets", name_octets(labels(3, 63) + labels(1, 62))},
      {"128 labels", name_octets(labels(128, 1))},
      {"labels without end", Octets(1000, 1)},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    LookupName name;
    CHECK(name.assign(c.octets) == 0);
  }
}

TEST_CASE("hash_name ignores nothing but what lower case ignores") {
  auto hash = [](std::string_view text) { return hash_name(Name::parse(text).value().wire()); };
  CHECK(hash("WWW.example.") == hash("www.EXAMPLE."));
  CHECK(hash("www.example.") != hash("ww.wexample."));
}

TEST_CASE("a look-up name is in lower case, whatever octet stands where") {
  // Labels of every length, so that each octet comes to stand at each place of a word of the machine.
  for (std::size_t length = 1; length <= 20; ++length) {
    for (unsigned octet = 0; octet < 256; ++octet) {
      std::vector<std::uint8_t> wire(length + 2, static_cast<std::uint8_t>(octet));
      wire.front() = static_cast<std::uint8_t>(length);
      wire.back() = 0;
      LookupName name;
      REQUIRE(name.assign(wire) == wire.size());
      const bool is_upper = octet >= 'A' && octet <= 'Z';
      std::fill(wire.begin() + 1, wire.end() - 1, static_cast<std::uint8_t>(is_upper ? octet + 32 : octet));
      REQUIRE(std::ranges::equal(name.wire(), wire));
    }
  }
}

}  // namespace
}  // namespace sluice::wire
