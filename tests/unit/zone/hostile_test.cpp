// Zone text that has brought parsers down (NSD 2019-13207, gdnsd 2019-13951): malformed octets for every
// type, long tokens and huge numbers in every field. The loader ends, and gives a zone or says where it
// hurts. Meant to be run with AddressSanitizer.
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::zone {
namespace {

// ldns 1.8.3 leaks memory on malformed IPSECKEY records, which LeakSanitizer would report as ours.
constexpr unsigned ipseckey = 45;

// All types below 300 (the ones that have a form of their own are among them), and the last ones.
std::vector<unsigned> types() {
  std::vector<unsigned> all = {32768, 32769, 65280, 65534, 65535};
  for (unsigned type = 1; type < 300; ++type)
    if (type != ipseckey) all.push_back(type);
  return all;
}

// Octets that rdata may be made of: cut short at each length, names with pointers, without an end, too long.
std::vector<std::string> octet_strings() {
  std::vector<std::string> all;
  for (const char octet : {'\0', '\1', '\xC0', '\xFF', '\x3F'})
    for (unsigned size = 0; size < 40; ++size) all.emplace_back(size, octet);
  std::string name;
  for (unsigned i = 0; i < 130; ++i) name += "\1a";
  all.push_back(name);
  all.push_back(name + '\0');
  all.push_back(std::string(65535, '\0'));
  all.push_back(std::string(65535, '\1'));
  std::mt19937 random(13207);
  for (unsigned i = 0; i < 100; ++i) {
    std::string octets(random() % 64, '\0');
    for (char& octet : octets) octet = static_cast<char>(random() % 4 == 0 ? random() : random() % 8);
    all.push_back(octets);
  }
  return all;
}

std::string hex_of(const std::string& octets) {
  return hex({reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()});
}

// An error at line 3, or a zone.
bool judged(const LoadResult& result) {
  if (result.zone != nullptr) return result.errors.empty();
  return !result.errors.empty() && result.errors.front().at.line == 3 &&
         !result.errors.front().message.empty();
}

}  // namespace

TEST_CASE("octets of every length for every type: taken as they are, or refused at their line") {
  const auto samples = octet_strings();
  unsigned wrong = 0, taken = 0, refused = 0;
  for (const unsigned type : types())
    for (const auto& octets : samples) {
      const auto text = fmt::format("a TYPE{} \\# {} {}\n", type, octets.size(), hex_of(octets));
      const auto result = load_example(apex_records + text);
      wrong += !judged(result);
      (result.zone != nullptr ? taken : refused) += 1;
      if (result.zone == nullptr) continue;
      const Node* node = result.zone->exact(lookup("a.example"));
      // Letter case of names in known types may be kept or not; the size is the same.
      wrong += node == nullptr ||
               result.zone->rrset(*node, static_cast<wire::RrType>(type)).first().size() != octets.size();
    }
  CHECK(wrong == 0);
  CHECK(taken > 1000);
  CHECK(refused > 1000);
}

TEST_CASE("malformed \\# of every type: a length that is not so, none, huge, negative, no hexadecimal") {
  unsigned accepted = 0, wrong = 0;
  for (const unsigned type : types())
    for (const char* rdata : {"\\#", "\\# x", "\\# -1 00", "\\# 1", "\\# 1 0", "\\# 1 000", "\\# 2 00",
                              "\\# 0 00", "\\# 65536 00", "\\# 4294967296 00", "\\# 99999999999999999999 00",
                              "\\# 1 0g", "\\# 1 \"", "\\# 1 (", "\\# 1.5 00", "\\# 0x1 00"}) {
      const auto result = load_example(apex_records + fmt::format("a TYPE{} {}\n", type, rdata));
      wrong += !judged(result);
      accepted += result.zone != nullptr;
    }
  CHECK(wrong == 0);
  CHECK(accepted == 0);
}

TEST_CASE("tokens of 10,000 octets and huge numbers in each field of every type") {
  // One record for each type that has a form of its own, all fields given.
  const std::string records[] = {"A 192.0.2.1",
                                 "NS b",
                                 "MX 10 b",
                                 "SOA a b 1 2 3 4 5",
                                 "HINFO a b",
                                 "TXT a b",
                                 "RP a b",
                                 "AFSDB 1 b",
                                 "X25 123",
                                 "ISDN 1 2",
                                 "RT 1 b",
                                 "NSAP 0x47",
                                 "PX 1 a b",
                                 "AAAA ::1",
                                 "LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
                                 "SRV 1 2 3 b",
                                 "NAPTR 1 2 \"u\" \"b\" \"!c!d!\" .",
                                 "KX 1 b",
                                 "CERT 1 1 1 AAAA",
                                 "DNAME b",
                                 "APL 1:192.0.2.0/24",
                                 "DS 1 8 2 00",
                                 "SSHFP 1 1 00",
                                 "RRSIG A 8 2 60 20300101000000 20200101000000 1 a AAAA",
                                 "NSEC a A",
                                 "DNSKEY 256 3 8 AAAA",
                                 "DHCID AAAA",
                                 "NSEC3 1 0 1 00 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A",
                                 "NSEC3PARAM 1 0 1 00",
                                 "TLSA 3 1 1 00",
                                 "HIP 2 20 AAAA b",
                                 "CDS 1 8 2 00",
                                 "OPENPGPKEY AAAA",
                                 "SVCB 1 b port=1",
                                 "HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1 key65000=x",
                                 "SPF a",
                                 "NID 1 0:0:0:1",
                                 "L32 1 1.2.3.4",
                                 "L64 1 0:0:0:1",
                                 "LP 1 b",
                                 "EUI48 00-00-00-00-00-01",
                                 "EUI64 00-00-00-00-00-00-00-01",
                                 "URI 1 2 \"a\"",
                                 "CAA 0 issue \"a\"",
                                 "ZONEMD 1 1 1 00",
                                 "WKS 192.0.2.1 tcp smtp",
                                 "TKEY a 1 1 1 1 0 0",
                                 "PTR b",
                                 "CNAME b"};
  const std::string values[] = {std::string(10'000, 'x'),
                                std::string(10'000, '9'),
                                "4294967296",
                                "18446744073709551616",
                                "-1",
                                "99999999999999999999999",
                                std::string(10'000, '0'),
                                "\"" + std::string(10'000, 'y') + "\"",
                                std::string(5'000, '\\'),
                                std::string(10'000, '.'),
                                "a=" + std::string(10'000, ','),
                                std::string(10'000, ':'),
                                "1e999999999",
                                "0x" + std::string(10'000, 'f')};
  unsigned wrong = 0, loads = 0;
  for (const auto& record : records) {
    std::vector<std::size_t> starts;  // of each field behind the type
    for (std::size_t at = record.find(' '); at != std::string::npos; at = record.find(' ', at + 1))
      starts.push_back(at + 1);
    for (const std::size_t start : starts)
      for (const auto& value : values) {
        const std::size_t end = std::min(record.find(' ', start), record.size());
        wrong += !judged(
            load_example(apex_records + "a " + record.substr(0, start) + value + record.substr(end) + "\n"));
        ++loads;
      }
    std::string repeated = record;
    for (int i = 0; i < 2000; ++i) repeated += " 1";
    wrong += !judged(load_example(apex_records + "a " + repeated + "\n"));
  }
  CHECK(wrong == 0);
  CHECK(loads > 1500);
}

TEST_CASE("long tokens and huge numbers in owner, TTL, class, type and directives") {
  const std::string longest(100'000, 'x');
  const std::string nines(100'000, '9');
  unsigned wrong = 0;
  for (const auto& token :
       {longest, nines, std::string(100'000, '.'), std::string(100'000, '\\'), std::string(100'000, '$')})
    for (const auto& line :
         {token + " A 192.0.2.1", "a " + token + " A 192.0.2.1", "a 60 " + token + " A 192.0.2.1",
          "a " + token, "$" + token, "$ORIGIN " + token, "$TTL " + token, "$INCLUDE " + token,
          "$INCLUDE x " + token, "$GENERATE " + token, "$GENERATE 1-" + token + " a$ A 192.0.2.1",
          "$GENERATE 1-2/" + token + " a$ A 192.0.2.1", "$GENERATE 1-2 a${" + token + "} A 192.0.2.1",
          "$GENERATE 1-2 a${0," + token + ",d} A 192.0.2.1", "$GENERATE 1-2 a$ A " + token,
          "a TYPE" + token + " \\# 0", "a CLASS" + token + " A 192.0.2.1"})
      wrong += load_example(apex_records + line + "\n").zone != nullptr;
  CHECK(wrong == 0);
}

}  // namespace sluice::zone
