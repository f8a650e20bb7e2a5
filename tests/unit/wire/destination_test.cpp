// Addresses and hosts as one kind of thing: what may be written, and how they are told apart.
#include "wire/destination.hpp"

#include <set>

#include <doctest/doctest.h>

namespace sluice::wire {
namespace {

TEST_CASE("what is a destination") {
  const struct {
    const char* text;
    const char* expected;  // empty: refused
    bool host;
  } rows[] = {
      {"192.0.2.1", "192.0.2.1", false},
      {"2001:DB8:0::1", "2001:db8::1", false},
      {"edge.cdn.example.", "edge.cdn.example.", true},
      {"edge.cdn.example", "edge.cdn.example.", true},
      {"Edge.CDN.Example", "edge.cdn.example.", true},
      {"localhost.", "localhost.", true},
      {"a_b-c.1.example", "a_b-c.1.example.", true},
      {"xn--bcher-kva.example", "xn--bcher-kva.example.", true},
      {"1.2.3.example", "1.2.3.example.", true},
      {"", "", false},
      {".", "", false},
      {"..", "", false},
      {"web", "", false},
      {"localhost", "", false},
      {"a..example", "", false},
      {".example", "", false},
      {"example..", "", false},
      {"192.0.2.256", "", false},
      {"192.0.2", "", false},
      {"192.0.2.1.", "", false},
      {"192.0.2.1:80", "", false},
      {"[2001:db8::1]", "", false},
      {"edge.cdn.example:80", "", false},
      {"http://edge.example", "", false},
      {"*.example", "", false},
      {"a b.example", "", false},
      {"b\xC3\xBC"
       "cher.example",
       "", false},
      {"a\\.b.example", "", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto destination = parse_destination(row.text);
    REQUIRE(destination.has_value() == (row.expected[0] != '\0'));
    if (!destination) continue;
    CHECK(to_text(*destination) == row.expected);
    CHECK(destination->is_host() == row.host);
    CHECK((destination->address() == nullptr) == row.host);
    CHECK(*parse_destination(to_text(*destination)) == *destination);
  }
}

TEST_CASE("labels and names that are too long are none") {
  const std::string label(63, 'a');
  CHECK(parse_destination(label + ".example").has_value());
  CHECK_FALSE(parse_destination(label + "a.example").has_value());
  CHECK(parse_destination(label + "." + label + "." + label + "." + label.substr(2)).has_value());
  CHECK_FALSE(parse_destination(label + "." + label + "." + label + "." + label.substr(1)).has_value());
}

TEST_CASE("what is not one is said, shortened") {
  CHECK(parse_destination("web").error().message ==
        "'web' is neither an IP address nor the name of a host such as 'edge.cdn.example.'");
  CHECK(parse_destination(std::string(5000, ' ')).error().message.size() < 200);
}

TEST_CASE("addresses and hosts in one order, each told apart") {
  std::set<Destination> all;
  for (const char* text : {"b.example", "192.0.2.1", "a.example", "2001:db8::1", "A.example.", "192.0.2.1"})
    all.insert(*parse_destination(text));
  CHECK(all.size() == 4);
}

}  // namespace
}  // namespace sluice::wire
