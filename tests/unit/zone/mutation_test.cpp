// Master files with random damage: the loader ends, and it gives a zone or says where it hurts.
// (No IPSECKEY among them: ldns 1.8.3 leaks memory on malformed ones, which LeakSanitizer would report as
// ours.)
#include <random>

#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::zone {
namespace {

const std::string sound =
    "$TTL 1h\n"
    "@ IN SOA ns hostmaster ( 7 ; serial\n 3600 600 86400 300 )\n"
    "  NS ns\n"
    "ns 60 IN A 192.0.2.1\n"
    "   AAAA 2001:db8::1\n"
    "$ORIGIN sub.example.\n"
    "a MX 10 mail\n"
    "b TXT \"a \\\"quoted\\\" \\065 text\" more ; comment\n"
    "c CAA 0 issue \"ca.example; a=b\"\n"
    "_x._tcp SRV 1 2 443 ns.example.\n"
    "h HTTPS 1 . alpn=\"h2,h3\" port=443 ipv4hint=192.0.2.1 mandatory=port\n"
    "d DS 12345 8 2 0123456789abcdef\n"
    "n NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .\n"
    "l LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m\n"
    "u TYPE65280 \\# 4 0A000001\n"
    "s RRSIG A 8 2 3600 20300101000000 20200101000000 1 example. AAAA\n"
    "t NSEC b A MX TYPE1234\n"
    "p APL 1:192.0.2.0/24 !2:2001:db8::/32\n"
    "w WKS 192.0.2.1 tcp smtp\n"
    "x HIP 2 200100107B1A74DF365639CC39F1D578 AAAA rvs.example.\n"
    "g URI 10 1 \"https://example/\"\n"
    "$GENERATE 1-3 gen${0,2,d} A 192.0.2.$\n"
    "e CNAME a\n"
    "f DNAME a\n"
    "k NS ns.k\n";

std::string damaged(std::string text, std::mt19937& random) {
  static const std::string snippets[] = {
      "(",    ")", "\"", "\\",          ";",    "\n",  " ",       ".", "@",     "$",
      "\\#",  "0", "-1", "99999999999", "\t",   "\r",  "*",       "{", "\\300", std::string(1, '\0'),
      "\xff", ",", "=",  ":",           "TYPE", "IN ", "$ORIGIN "};
  const auto at = [&] { return random() % (text.size() + 1); };
  for (auto changes = random() % 4 + 1; changes != 0; --changes) {
    const auto from = at();
    switch (random() % 5) {
      case 0:
        text.erase(from, random() % 8);
        break;
      case 1:
        text.insert(from, snippets[random() % std::size(snippets)]);
        break;
      case 2:
        text.insert(from, text.substr(at(), random() % 40));
        break;
      case 3:
        text.resize(from);
        break;
      case 4:
        text.insert(from, std::string(random() % 300, "ax0.\\"[random() % 5]));
        break;
    }
  }
  return text;
}

}  // namespace

TEST_CASE("damaged master files") {
  REQUIRE(to_text(load_example(sound).errors) == "");
  std::mt19937 random(7);
  unsigned refused = 0, wrong = 0;
  constexpr unsigned rounds = 5000;
  for (unsigned i = 0; i < rounds; ++i) {
    const auto text = damaged(sound, random);
    const auto lines = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    const auto [zone, errors] = load_example(text);
    refused += zone == nullptr;
    wrong += (zone == nullptr) != !errors.empty();
    for (const auto& error : errors) wrong += error.at.line > lines || error.message.empty();
  }
  CHECK(wrong == 0);
  CHECK(refused > rounds / 2);
  CHECK(refused < rounds);
}

}  // namespace sluice::zone
