// Big files in pieces: the same zone, and the same errors at the same places, on however many cores they are
// read.
#include "zone/pieces.hpp"

#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::zone {
namespace {

TEST_CASE("a text is cut where an entry names its owner, behind the head") {
  struct Row {
    const char* what;
    const char* text;
    std::vector<std::string_view> pieces;
  };
  const Row rows[] = {
      {"in three", "$TTL 1\na A 1\nb A 2\nc A 3\nd A 4\n", {"$TTL 1\n", "a A 1\nb A 2\n", "c A 3\nd A 4\n"}},
      {"owners that are left out stay with theirs",
       "$TTL 1\na A 1\n A 2\n\tA 3\nb A 4\n",
       {"$TTL 1\n", "a A 1\n A 2\n\tA 3\n", "b A 4\n"}},
      {"comments and empty lines are no entries",
       "$TTL 1\na A 1\n;c\n\n\r\nb A 2\n",
       {"$TTL 1\n", "a A 1\n;c\n\n\r\n", "b A 2\n"}},
      {"without a last line end", "$TTL 1\naa A 1\nbb A 2", {"$TTL 1\n", "aa A 1\n", "bb A 2"}},
      {"a directive behind the head", "$TTL 1\na A 1\n$TTL 2\nb A 2\n", {"$TTL 1\na A 1\n$TTL 2\nb A 2\n"}},
      {"parentheses behind the head", "$TTL 1\na A 1\nb TXT (\nc )\n", {"$TTL 1\na A 1\nb TXT (\nc )\n"}},
      {"the end of parentheses behind the head", "@ SOA (\na\nb ) c\nd e\n", {"@ SOA (\na\nb ) c\nd e\n"}},
      {"too little", "$TTL 1\na A 1\n", {"$TTL 1\na A 1\n"}},
      {"nothing", "", {""}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    CHECK(cut(row.text, 2, {.head = 3, .piece = 6}) == row.pieces);
  }
  CHECK(cut("a A 1\nb A 2\nc A 3\nd A 4\n", 1, {.head = 3, .piece = 6}).size() == 1);
}

std::string big_text(const char* head) {
  std::string text = head;
  for (unsigned i = 0; text.size() < 5 << 20; ++i)
    text += fmt::format("Host{} A 10.{}.{}.{}\n TXT \"number {}\"\n", i, i >> 16, i >> 8 & 255, i & 255, i);
  return text;
}

std::string walk(const Zone& zone) {
  std::string all;
  for (const Node* node = zone.first(); node != nullptr; node = zone.next(*node)) {
    all += wire::to_text(zone.name(*node));
    for (unsigned i = 0; i < zone.rrset_count(*node); ++i) {
      const Rrset rrset = zone.rrset_at(*node, i);
      all += fmt::format(" {} {}", static_cast<unsigned>(rrset.type()), rrset.ttl());
      for (const wire::Bytes rdata : rrset)
        all.append(reinterpret_cast<const char*>(rdata.data()), rdata.size());
    }
    all += '\n';
  }
  return all;
}

constexpr const char* head = "$TTL 60\n@ SOA ns hm (\n 1 2 3 4 5 )\n@ NS ns.elsewhere.\n";

TEST_CASE("a big zone is the same on one core and on many") {
  const auto apex = wire::Name::parse("example.").value();
  for (const char* start : {head, "@ 60 SOA ns hm 1 2 3 4 5\n@ 60 NS ns.elsewhere.\n"}) {
    const auto text = big_text(start);
    const auto one = load_text(text, "zone", apex, {}, 1), many = load_text(text, "zone", apex, {}, 5);
    REQUIRE_MESSAGE(one.zone != nullptr, to_text(one.errors));
    REQUIRE_MESSAGE(many.zone != nullptr, to_text(many.errors));
    CHECK(one.zone->record_count() > 100'000);
    CHECK(walk(*one.zone) == walk(*many.zone));
  }
}

TEST_CASE("errors of a big zone have their places on one core and on many") {
  const auto apex = wire::Name::parse("example.").value();
  auto text = big_text(head);
  for (std::size_t part = 1; part < 8; ++part) {
    const auto line = text.find("\nHost", text.size() / 8 * part);
    text.insert(line + 1, part % 2 == 0 ? "bad A 192.0.2.300\n" : "worse BOGUS x\n\n");
  }
  const auto one = load_text(text, "zone", apex, {}, 1), many = load_text(text, "zone", apex, {}, 5);
  CHECK(one.errors.size() == 7);
  CHECK(to_text(one.errors) == to_text(many.errors));
}

}  // namespace
}  // namespace sluice::zone
