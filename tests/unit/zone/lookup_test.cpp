// Zone::find by the RFCs' rules, and the set of zones.
#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::zone {
namespace {

// "name", "name *2" (by a wildcard, two labels before the closest encloser), "delegation 1", "dname 1", "none
// 1".
std::string to_text(const Match& match) {
  switch (match.outcome) {
    case Outcome::name:
      return match.wildcard ? fmt::format("name *{}", match.labels_before) : "name";
    case Outcome::delegation:
      return fmt::format("delegation {}", match.labels_before);
    case Outcome::dname:
      return fmt::format("dname {}", match.labels_before);
    case Outcome::no_name:
      return fmt::format("none {}", match.labels_before);
  }
  return "?";
}

struct LookupRow {
  std::string name;
  std::string query;
  std::string expected;
  std::string node;  // whose node it is
  wire::RrType type = wire::RrType::a;
};

void check_lookups(const Zone& zone, std::span<const LookupRow> rows) {
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CAPTURE(row.query);
    const auto match = zone.find(lookup(row.query), row.type);
    CHECK(to_text(match) == row.expected);
    CHECK(match.node == zone.exact(lookup(row.node)));
    CHECK(match.node != nullptr);
  }
}

}  // namespace

TEST_CASE("lookups in a zone") {
  const auto zone = make_zone(
      "a A 192.0.2.1\n"
      "x.y.ent A 192.0.2.1\n"
      "*.wild A 192.0.2.1\n"
      "there.wild TXT x\n"
      "deep.below.wild TXT x\n"
      "sub.*.star A 192.0.2.1\n"
      "cut NS ns.cut\n"
      "cut DS 1 8 2 00\n"
      "ns.cut A 192.0.2.2\n"
      "ns.deep.cut A 192.0.2.3\n"
      "inner.cut NS ns.cut\n"
      "*.cut A 192.0.2.4\n"
      "dn DNAME target\n"
      "dn TXT x\n",
      {{name("steered.example"), 1}, {name("*.pool.example"), 2}, {name("deep.in.tree.example"), 3}});
  const LookupRow rows[] = {
      {"apex", "example", "name", "example"},
      {"apex, NS is no cut", "example", "name", "example", wire::RrType::ns},
      {"apex, DS", "example", "name", "example", wire::RrType::ds},
      {"a name", "a.example", "name", "a.example"},
      {"a name in capitals", "A.EXAMPLE", "name", "a.example"},
      {"empty non-terminal", "ent.example", "name", "ent.example"},
      {"empty non-terminal between", "y.ent.example", "name", "y.ent.example"},
      {"below them", "x.y.ent.example", "name", "x.y.ent.example"},
      {"no such name", "b.example", "none 1", "example"},
      {"no such name, deep", "c.d.e.b.example", "none 4", "example"},
      {"no such name below a name", "b.a.example", "none 1", "a.example"},
      {"no such name below an empty non-terminal", "p.q.ent.example", "none 2", "ent.example"},
      {"wildcard", "q.wild.example", "name *1", "*.wild.example"},
      {"wildcard over more labels", "q.r.s.wild.example", "name *3", "*.wild.example"},
      {"the wildcard itself", "*.wild.example", "name", "*.wild.example"},
      {"below the wildcard itself", "q.*.wild.example", "none 1", "*.wild.example"},
      {"a name beside the wildcard", "there.wild.example", "name", "there.wild.example"},
      {"wildcard blocked by a name", "q.there.wild.example", "none 1", "there.wild.example"},
      {"wildcard blocked by an empty non-terminal", "q.below.wild.example", "none 1", "below.wild.example"},
      {"that empty non-terminal", "below.wild.example", "name", "below.wild.example"},
      {"the parent of the wildcard", "wild.example", "name", "wild.example"},
      {"wildcard that is an empty non-terminal", "q.star.example", "name *1", "*.star.example"},
      {"label beginning with a star", "*q.wild.example", "name *1", "*.wild.example"},
      {"at the cut", "cut.example", "delegation 0", "cut.example"},
      {"NS at the cut", "cut.example", "delegation 0", "cut.example", wire::RrType::ns},
      {"DS at the cut", "cut.example", "name", "cut.example", wire::RrType::ds},
      {"below the cut", "q.cut.example", "delegation 1", "cut.example"},
      {"far below the cut", "q.r.s.cut.example", "delegation 3", "cut.example"},
      {"glue", "ns.cut.example", "delegation 1", "cut.example"},
      {"deep glue", "ns.deep.cut.example", "delegation 2", "cut.example"},
      {"DS of glue", "ns.cut.example", "delegation 1", "cut.example", wire::RrType::ds},
      {"empty non-terminal below the cut", "deep.cut.example", "delegation 1", "cut.example"},
      {"a cut below the cut", "inner.cut.example", "delegation 1", "cut.example"},
      {"DS at a cut below the cut", "inner.cut.example", "delegation 1", "cut.example", wire::RrType::ds},
      {"below a cut below the cut", "q.inner.cut.example", "delegation 2", "cut.example"},
      {"the DNAME's owner", "dn.example", "name", "dn.example"},
      {"the DNAME's owner, DNAME", "dn.example", "name", "dn.example", wire::RrType::dname},
      {"below the DNAME", "q.dn.example", "dname 1", "dn.example"},
      {"far below the DNAME", "q.r.dn.example", "dname 2", "dn.example"},
      {"steered", "steered.example", "name", "steered.example"},
      {"below steered", "q.steered.example", "none 1", "steered.example"},
      {"steered wildcard", "q.pool.example", "name *1", "*.pool.example"},
      {"empty non-terminal above steered", "tree.example", "name", "tree.example"},
      {"beside steered", "q.tree.example", "none 1", "tree.example"},
  };
  check_lookups(*zone, rows);
  CHECK(zone->steer(*zone->find(lookup("q.pool.example"), wire::RrType::a).node) == 2);

  const auto* glue = zone->exact(lookup("ns.cut.example"));
  REQUIRE(glue != nullptr);
  CHECK(rrset_hex(zone->rrset(*glue, wire::RrType::a)) == "c0000202");
  const std::pair<std::string, bool> occluded[] = {
      {"example", false},          {"a.example", false},     {"dn.example", false},
      {"cut.example", true},       {"ns.cut.example", true}, {"deep.cut.example", true},
      {"inner.cut.example", true},
  };
  for (const auto& [owner, expected] : occluded) {
    CAPTURE(owner);
    CHECK(zone->occluded(*zone->exact(lookup(owner))) == expected);
  }
  CHECK(zone->exact(lookup("q.wild.example")) == nullptr);
}

TEST_CASE("lookups below a wildcard and a DNAME at the apex") {
  const auto wild = make_zone("* A 192.0.2.1\na A 192.0.2.2\n");
  const LookupRow wild_rows[] = {
      {"any name", "q.example", "name *1", "*.example"},
      {"any deep name", "q.r.example", "name *2", "*.example"},
      {"but not below another", "q.a.example", "none 1", "a.example"},
  };
  check_lookups(*wild, wild_rows);
  const auto dname = make_zone("@ DNAME other.\n");
  const LookupRow dname_rows[] = {
      {"apex", "example", "name", "example"},
      {"any name", "q.example", "dname 1", "example"},
      {"any deep name", "q.r.example", "dname 2", "example"},
  };
  check_lookups(*dname, dname_rows);
}

TEST_CASE("the root zone") {
  const auto result =
      load_text("@ 60 SOA a b 1 2 3 4 5\n@ NS a.root.\na.root A 192.0.2.1\ncom NS a.gtld.\na.b TXT x\n",
                "root", wire::Name(), std::vector<Steered>{{name("s.t"), 1}});
  CHECK(sluice::to_text(result.errors) == "");
  REQUIRE(result.zone != nullptr);
  const LookupRow rows[] = {
      {"apex", ".", "name", "."},
      {"name", "a.root", "name", "a.root"},
      {"empty non-terminal", "b", "name", "b"},
      {"delegation", "x.y.com", "delegation 2", "com"},
      {"no such name", "x.y", "none 2", "."},
      {"steered", "s.t", "name", "s.t"},
      {"none below", "x.b", "none 1", "b"},
  };
  check_lookups(*result.zone, rows);
}

TEST_CASE("names of the greatest depth") {
  std::string deep = "x";
  for (int i = 0; i < 122; ++i) deep += ".x";  // 123 labels of one octet and "example": 255 octets
  const auto zone = make_zone(deep + " A 192.0.2.1\n");
  const LookupRow rows[] = {
      {"the name", deep + ".example", "name", deep + ".example"},
      {"another first label", "y" + deep.substr(1) + ".example", "none 1", deep.substr(2) + ".example"},
      {"its parent", deep.substr(2) + ".example", "name", deep.substr(2) + ".example"},
      {"another last label", deep.substr(0, deep.size() - 1) + "y.example", "none 123", "example"},
  };
  check_lookups(*zone, rows);
}

TEST_CASE("a zone of 100,000 names is found completely") {
  constexpr unsigned names = 100'000;
  std::string text;
  for (unsigned i = 0; i < names; ++i)
    text += fmt::format("host{} A 10.{}.{}.{}\n", i, i >> 16, i >> 8 & 255, i & 255);
  const auto zone = make_zone(text);
  CHECK(zone->name_count() == names + 1);
  unsigned wrong = 0;
  for (unsigned i = 0; i < names; ++i) {
    const auto match = zone->find(lookup(fmt::format("HOST{}.example", i)), wire::RrType::a);
    const bool right = match.outcome == Outcome::name &&
                       rrset_hex(zone->rrset(*match.node, wire::RrType::a)) == fmt::format("0a{:06x}", i);
    const auto other = zone->find(lookup(fmt::format("host{}x.example", i)), wire::RrType::a);
    wrong += !right || other.outcome != Outcome::no_name;
  }
  CHECK(wrong == 0);
  CHECK(zone->memory_size() / names < 100);
}

TEST_CASE("the set of zones") {
  const auto make = [](std::string_view apex) {
    return load_text("@ 60 SOA a b 1 2 3 4 5\n@ NS ns\n", "z", name(apex), {}).zone;
  };
  const ZoneSet none;
  CHECK(none.find(lookup("a.example")) == nullptr);
  const ZoneSet zones({make("example"), make("b.a.example"), make("org"), make("2.0.192.in-addr.arpa")});
  const std::pair<std::string, std::string> rows[] = {
      {"example", "example"},
      {"x.EXAMPLE", "example"},
      {"a.example", "example"},
      {"b.a.example", "b.a.example"},
      {"c.b.a.example", "b.a.example"},
      {"xb.a.example", "example"},
      {"x.y.z.org", "org"},
      {"1.2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa"},
      {"3.0.192.in-addr.arpa", "-"},
      {"com", "-"},
      {".", "-"},
      {"example.com", "-"},
  };
  for (const auto& [query, apex] : rows) {
    CAPTURE(query);
    const auto* zone = zones.find(lookup(query));
    CHECK((zone == nullptr ? "-" : zone->apex().text()) == (apex == "-" ? apex : apex + "."));
  }
  const ZoneSet root({make("."), make("example")});
  CHECK(root.find(lookup("."))->apex() == name("."));
  CHECK(root.find(lookup("a.b"))->apex() == name("."));
  CHECK(root.find(lookup("a.example"))->apex() == name("example"));
  CHECK(root.zones().size() == 2);
}

}  // namespace sluice::zone
