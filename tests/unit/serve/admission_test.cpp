#include "serve/admission.hpp"

#include <deque>

#include <doctest/doctest.h>

namespace sluice::serve {
namespace {

Address parse(const char* text) { return parse_address(text).value(); }

TEST_CASE("each client has its limit, and all together have one") {
  Admission admission(5, 2);
  std::deque<Admission::Place> places;
  const auto enter = [&](const char* client) {
    auto place = admission.enter(parse(client));
    if (place) places.push_back(std::move(*place));
    return place.has_value();
  };
  CHECK(enter("192.0.2.1"));
  CHECK(enter("192.0.2.1"));
  CHECK(!enter("192.0.2.1"));
  CHECK(enter("192.0.2.2"));
  CHECK(enter("2001:db8::1"));
  CHECK(enter("2001:db8::1:0:0:2"));
  CHECK(!enter("192.0.2.3"));  // five are there

  places.pop_front();
  CHECK(!enter("2001:db8::3"));  // the /64 has two
  CHECK(enter("192.0.2.1"));
  CHECK(!enter("192.0.2.1"));

  places.clear();
  CHECK(enter("2001:db8::3"));
  CHECK(enter("2001:db8::4"));
  CHECK(!enter("2001:db8::5"));
  CHECK(enter("2001:db8:0:1::5"));
}

}  // namespace
}  // namespace sluice::serve
