// What the loader refuses, each with its exact place.
#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::zone {
namespace {

struct RefusalRow {
  std::string name;
  std::string text;                   // behind apex_records: begins on line 3
  std::vector<std::string> expected;  // "LINE:COLUMN part of the message", in order
  std::vector<Steered> steered = {};
};

// The errors of a load, and of each only as much as the row expects.
void check_errors(const std::string& text, const RefusalRow& row) {
  CAPTURE(row.name);
  const auto result = load_example(text, row.steered);
  CHECK(result.zone == nullptr);
  const auto shown = to_text(result.errors);
  CAPTURE(shown);
  REQUIRE(result.errors.size() == row.expected.size());
  auto errors = result.errors;
  std::stable_sort(errors.begin(), errors.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const auto& [file, at, message] = errors[i];
    const auto& expected = row.expected[i];
    const auto blank = expected.find(' ');
    CHECK(file == "example.zone");
    CHECK(fmt::format("{}:{}", at.line, at.column) == expected.substr(0, blank));
    CHECK_MESSAGE(message.find(expected.substr(blank + 1)) != std::string::npos, message);
  }
}

const std::string longest_label(63, 'x');
const std::string long_label(64, 'x');
const std::string long_name =
    longest_label + "." + longest_label + "." + longest_label + "." + std::string(58, 'x');
const std::string long_word(10000, 'x');

}  // namespace

TEST_CASE("what makes no zone is refused") {
  const RefusalRow rows[] = {
      {"empty file", "", {"0:0 no SOA", "0:0 no NS"}},
      {"only comments and blanks", "; nothing\n\n   \n\t; here\r\n", {"0:0 no SOA", "0:0 no NS"}},
      {"no SOA", "@ 60 NS ns\n", {"0:0 no SOA"}},
      {"no NS", "@ 60 SOA ns hm 1 2 3 4 5\n", {"0:0 no NS"}},
      {"NS only below the apex", "@ 60 SOA ns hm 1 2 3 4 5\na NS ns\n", {"0:0 no NS"}},
      {"SOA with an error is not reported twice",
       "@ 60 SOA ns hm 1 2 3 4\n@ 60 NS ns\n",
       {"1:6 SOA needs 7 values"}},
      {"NS with an error is not reported twice",
       "@ 60 SOA ns hm 1 2 3 4 5\n@ 60 NS a..b\n",
       {"2:9 expected a domain name"}},
      {"no TTL at all", "@ NS ns\n", {"0:0 no SOA", "1:1 no TTL"}},
  };
  for (const auto& row : rows) check_errors(row.text, row);
}

TEST_CASE("records against the rules of the DNS are refused") {
  const RefusalRow rows[] = {
      {"second SOA", "@ SOA ns hm 2 2 3 4 5\n", {"3:1 second SOA"}},
      {"the same SOA twice", "@ SOA ns hm 1 2 3 4 5\n", {"3:1 second SOA"}},
      {"SOA below the apex", "a SOA ns hm 2 2 3 4 5\n", {"3:1 belongs at the zone's apex"}},
      {"data outside",
       "a.example.com. A 192.0.2.1\n",
       {"3:1 'a.example.com.' is outside the zone 'example.'"}},
      {"data above the apex", ". A 192.0.2.1\n", {"3:1 '.' is outside"}},
      {"CNAME after other data",
       "a A 192.0.2.1\na CNAME b\n",
       {"4:1 expected no CNAME, as there is A at example.zone:3 (RFC 1034, 3.6.2)"}},
      {"CNAME before other data", "a CNAME b\n  TXT x\n", {"4:3 expected no TXT, as there is CNAME"}},
      {"CNAME at the apex", "@ CNAME b\n", {"3:1 CNAME beside other data"}},
      {"two CNAMEs", "a CNAME b\na CNAME c\n", {"4:1 second CNAME at 'a.example.'"}},
      {"three CNAMEs", "a CNAME b\na CNAME c\na CNAME d\n", {"4:1 second CNAME", "5:1 second CNAME"}},
      {"two DNAMEs", "a DNAME b\na DNAME c\n", {"4:1 second DNAME"}},
      {"DNAME beside CNAME", "a DNAME b\na CNAME c\n", {"4:1 CNAME beside other data"}},
      {"name below a DNAME",
       "x.y.a A 192.0.2.1\na DNAME b\n",
       {"3:1 'x.y.a.example.' is below the DNAME of 'a.example.' at example.zone:4"}},
      {"name below a DNAME at the apex", "a A 192.0.2.1\n@ DNAME other.\n", {"3:1 is below the DNAME"}},
      {"NS beside DNAME", "a DNAME b\na NS ns\n", {"4:1 NS and DNAME"}},
      {"DS at the apex", "@ DS 1 13 2 00\n", {"3:1 DS at the zone's apex"}},
      {"NS at a wildcard", "*.a NS ns\n", {"3:1 wildcard cannot be delegated (RFC 4592, 4.2)"}},
      {"CNAME in another letter case", "A CNAME b\na TXT x\n", {"4:1 CNAME beside other data"}},
  };
  for (const auto& row : rows) check_errors(apex_records + row.text, row);
}

TEST_CASE("records at steered names are refused") {
  const std::vector<Steered> www{{name("www.example"), 9}};
  const std::vector<Steered> apex{{name("example"), 9}};
  const RefusalRow rows[] = {
      {"A",
       "www A 192.0.2.1\n",
       {"3:1 'www.example.' is steered: its A records come from [steer], take this one out"},
       www},
      {"AAAA", "www TXT x\n AAAA 2001:db8::1\n", {"4:2 its AAAA records come from [steer]"}, www},
      {"each address",
       "www A 192.0.2.1\nwww A 192.0.2.2\n",
       {"3:1 take this one out", "4:1 take this one out"},
       www},
      {"CNAME", "www CNAME a\n", {"3:1 there can be no CNAME here"}, www},
      {"DNAME", "www DNAME a\n", {"3:1 there can be no DNAME here"}, www},
      {"zone cut at it", "www NS ns\n", {"3:1 cannot be delegated"}, www},
      {"A at the steered apex", "@ A 192.0.2.1\n", {"3:1 its A records"}, apex},
      {"A at a steered wildcard",
       "*.x A 192.0.2.1\n",
       {"3:1 '*.x.example.' is steered"},
       {{name("*.x.example"), 1}}},
      {"below a zone cut",
       "x NS ns\nx NS ns2\n",
       {"3:1 the steered name 'a.b.x.example.' is below this zone cut"},
       {{name("a.b.x.example"), 1}}},
      {"below a DNAME",
       "x DNAME ns.\n",
       {"3:1 the steered name 'a.b.x.example.' is below this DNAME"},
       {{name("a.b.x.example"), 1}}},
      {"below a DNAME at the apex", "@ DNAME ns.\n", {"3:1 is below this DNAME"}, www},
  };
  for (const auto& row : rows) check_errors(apex_records + row.text, row);
}

TEST_CASE("all records at names steered to hosts are refused") {
  const std::vector<Steered> www{{name("www.example"), 9, true}};
  const RefusalRow rows[] = {
      {"A",
       "www A 192.0.2.1\n",
       {"3:1 'www.example.' is steered to host names: its answer is a CNAME, which stands alone, take this A "
        "record out (RFC 1034, 3.6.2)"},
       www},
      {"TXT and MX",
       "www TXT x\nwww MX 1 ns\n",
       {"3:1 take this TXT record out", "4:1 take this MX record out"},
       www},
      {"CNAME", "www CNAME a\n", {"3:1 take this CNAME record out"}, www},
      {"one of no name", "www TYPE65280 \\# 0\n", {"3:1 take this TYPE65280 record out"}, www},
      {"at a wildcard",
       "*.x TXT x\n",
       {"3:1 '*.x.example.' is steered to host names"},
       {{name("*.x.example"), 1, true}}},
  };
  for (const auto& row : rows) check_errors(apex_records + row.text, row);
  const auto zone = make_zone("a.www A 192.0.2.1\n", www);
  CHECK(zone->steer(*zone->exact(lookup("www.example"))) == 9);
}

TEST_CASE("malformed entries are refused") {
  const RefusalRow rows[] = {
      {"too much rdata",
       "a A 192.0.2.1 junk\n",
       {"3:15 'junk' is too much: A needs 1 value: an IPv4 address"}},
      {"no rdata", "a A\n", {"3:3 A needs 1 value"}},
      {"too little rdata", "a MX 10\n", {"3:3 MX needs 2 values: a number from 0 to 65535, a domain name"}},
      {"no type", "a\n", {"3:1 ends before its type"}},
      {"only a TTL", "a 60 IN\n", {"3:6 ends before its type"}},
      {"bad address", "a A 192.0.2.256\n", {"3:5 '192.0.2.256' is not valid here: expected an IPv4 address"}},
      {"bad IPv6 address", "a AAAA 192.0.2.1\n", {"3:8 expected an IPv6 address"}},
      {"preference is no number", "a MX mail 10\n", {"3:6 'mail' is not valid here"}},
      {"preference too large", "a MX 65536 mail\n", {"3:6 expected a number from 0 to 65535"}},
      {"preference negative", "a MX -1 mail\n", {"3:6 expected a number from 0 to 65535"}},
      {"port too large", "a SRV 1 2 99999 t\n", {"3:11 expected a number from 0 to 65535"}},
      {"serial too large", "@ SOA a b 4294967296 2 3 4 5\n", {"3:11 expected a number from 0 to 4294967295"}},
      {"refresh too large", "@ SOA a b 1 4294967296 3 4 5\n", {"3:13 expected a number of seconds"}},
      {"flags too large", "a CAA 256 issue \"x\"\n", {"3:7 expected a number from 0 to 255"}},
      {"octets behind the last field, on which ldns aborts",
       "a GPOS 1 2 3 \\# 8 00000000a0050300\n",
       {"3:14 '\\#' is too much"}},
      {"octets behind the last text",
       "a GPOS xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx \\# 8 00000000a0050300\n",
       {"3:59 is too much"}},
      {"certificate type too large", "a CERT 65537 1 1 AAAA\n", {"3:8 expected a certificate type"}},
      {"certificate type without a name", "a CERT pkix0 1 1 AAAA\n", {"3:8 expected a certificate type"}},
      {"certificate type 0, on which ldns loses memory",
       "a CERT 0 1 1 AAAA\n",
       {"3:8 expected a certificate type"}},
      {"algorithm too large", "a DS 1 256 2 00\n", {"3:8 expected an algorithm"}},
      {"octets in the midst of HTTPS",
       "a TYPE65 280 \\# 4 0A000001\n",
       {"3:14 '\\#' is not valid here: expected a domain name"}},
      {"octets in the midst of MX", "a MX 1 \\# 1 00\n", {"3:8 '\\#' is not valid here"}},
      {"half an octet", "a TLSA 3 1 1 012\n", {"3:14 pairs of hexadecimal digits"}},
      {"half an octet in parts", "a TLSA 3 1 1 01 2\n", {"3:14 pairs of hexadecimal digits"}},
      {"unknown type covered",
       "a NSEC b A BOGUS\n",
       {"3:12 'BOGUS' is not valid here: expected record types"}},
      {"name in quotes", "a CNAME \"b\"\n", {"3:9 expected a domain name"}},
      {"quote inside a text", "a TXT x a\"b c\"\n", {"3:9 expected a text"}},
      {"quote inside a name", "a CNAME a\"b\"\n", {"3:9 expected a domain name"}},
      {"quote inside the owner", "a\"b\" TXT x\n", {"3:1 expected a domain name"}},
      {"owner in quotes", "\"a\" A 192.0.2.1\n", {"3:1 expected a domain name"}},
      {"prefix longer than its address", "a APL 1:192.0.2.0/33\n", {"3:3 prefix is longer"}},
      {"IPv6 prefix longer than its address",
       "a APL 1:192.0.2.0/32 2:2001:db8::/129\n",
       {"3:3 prefix is longer"}},
      {"latitude beyond the pole", "a LOC 91 0 0 N 0 0 0 E 0m\n", {"3:3 beyond 90 degrees"}},
      {"longitude beyond the date line", "a LOC 0 0 0 N 180 0 1 W 0m\n", {"3:3 beyond 180 degrees"}},
      {"location in octets", "a LOC \\# 16 00121613ffffffff8000000000989680\n", {"3:7 beyond 90 degrees"}},
      {"service parameter twice", "a HTTPS 1 . port=1 port=2\n", {"3:3 repeated"}},
      {"mandatory lists itself", "a HTTPS 1 . mandatory=mandatory\n", {"3:3 RFC 9460, 8"}},
      {"mandatory lists twice in octets",
       "a SVCB \\# 17 000100 0000 0004 0003 0003 0003 0002 0001\n",
       {"3:8 each once"}},
      {"alpn without a value", "a HTTPS 1 . alpn\n", {"3:3 alpn= needs"}},
      {"port without a value", "a HTTPS 1 . port\n", {"3:3 port= needs"}},
      {"port of 17 bits", "a HTTPS 1 . port=65536\n", {"3:13 expected a port from 0 to 65535"}},
      {"port of 17 bits in quotes", "a HTTPS 1 . port=\"65536\"\n", {"3:13 expected a port"}},
      {"ipv4hint without a value", "a HTTPS 1 . ipv4hint\n", {"3:3 ipv4hint= needs"}},
      {"ipv6hint without a value", "a HTTPS 1 . ipv6hint\n", {"3:3 ipv6hint= needs"}},
      {"ech without a value", "a HTTPS 1 . ech\n", {"3:3 ech= needs"}},
      {"no-default-alpn alone", "a HTTPS 1 . no-default-alpn\n", {"3:3 needs alpn="}},
      {"keys out of order in octets",
       "a HTTPS \\# 16 000100 0003 0002 0001 0001 0003 026832\n",
       {"3:9 not in the order"}},
      {"parameter twice in octets", "a SVCB \\# 15 000100 0003 0002 0001 0003 0002 0001\n", {"3:8 repeated"}},
      {"parameter cut short in octets", "a SVCB \\# 8 000100 0003 0002 00\n", {"3:8 "}},
      {"port of one octet", "a SVCB \\# 8 000100 0003 0001 05\n", {"3:8 port= needs"}},
      {"protocol longer than its value", "a SVCB \\# 9 000100 0001 0002 0568\n", {"3:8 alpn= needs"}},
      {"mandatory parameter missing", "a HTTPS 1 . mandatory=port\n", {"3:3 mandatory service parameter"}},
      {"unknown service parameter", "a HTTPS 1 . bogus=1\n", {"3:13 service parameters like"}},
      {"class CH", "a CH A 192.0.2.1\n", {"3:3 expected class IN"}},
      {"class by number", "a 60 CLASS3 A 192.0.2.1\n", {"3:6 expected class IN"}},
      {"class twice", "a IN 60 IN A 192.0.2.1\n", {"3:9 unknown record type"}},
      {"TTL too large", "a 2147483648 A 192.0.2.1\n", {"3:3 from 0 to 2147483647 (RFC 2181, 8)"}},
      {"TTL much too large", "a 99999999999999999999 A 192.0.2.1\n", {"3:3 not a TTL"}},
      {"TTL of a large unit", "a 4000w A 192.0.2.1\n", {"3:3 not a TTL"}},
      {"TTL with an unknown unit", "a 10x A 192.0.2.1\n", {"3:3 not a TTL"}},
      {"TTL negative", "a -5 A 192.0.2.1\n", {"3:3 unknown record type"}},
      {"unknown type", "a BOGUS x\n", {"3:3 unknown record type"}},
      {"type number too large", "a TYPE65536 \\# 0\n", {"3:3 unknown record type"}},
      {"type without a number", "a TYPE \\# 0\n", {"3:3 unknown record type"}},
      {"very long type", "a " + long_word + " x\n", {"3:3 unknown record type"}},
      {"type OPT", "a OPT \\# 0\n", {"3:3 type OPT cannot stand in a zone"}},
      {"type ANY", "a ANY \\# 0\n", {"3:3 type ANY cannot"}},
      {"type AXFR", "a AXFR \\# 0\n", {"3:3 type AXFR cannot"}},
      {"type IXFR", "a IXFR \\# 0\n", {"3:3 type IXFR cannot"}},
      {"type TSIG", "a TSIG \\# 0\n", {"3:3 type TSIG cannot"}},
      {"type MAILB", "a MAILB \\# 0\n", {"3:3 type MAILB cannot"}},
      {"meta type by number", "a TYPE200 \\# 0\n", {"3:3 type TYPE200 cannot"}},
      {"type 0", "a TYPE0 \\# 0\n", {"3:3 type TYPE0 cannot"}},
      {"unknown form", "a TYPE65280 0A000001\n", {"3:3 expected its rdata as \\# LENGTH HEX"}},
      {"generic without length", "a TYPE65280 \\#\n", {"3:13 expected the rdata's length"}},
      {"generic too short", "a TYPE65280 \\# 4 0A0000\n", {"3:16 \\# 4 needs 8 hexadecimal digits, found 6"}},
      {"generic too long", "a TYPE65280 \\# 3 0A000001\n", {"3:16 needs 6 hexadecimal digits, found 8"}},
      {"generic length too large", "a TYPE65280 \\# 65536 00\n", {"3:16 from 0 to 65535"}},
      {"generic no hex", "a TYPE65280 \\# 1 0g\n", {"3:18 hexadecimal"}},
      {"generic A too long", "a A \\# 5 0A00000102\n", {"3:5 not the rdata of a record of type A"}},
      {"generic A empty", "a A \\# 0\n", {"3:5 not the rdata of a record of type A"}},
      {"generic MX with rest", "a MX \\# 6 000a016100ff\n", {"3:6 not the rdata"}},
      {"generic NS cut short", "a NS \\# 2 0161\n", {"3:6 not the rdata"}},
      {"generic NS compressed", "a NS \\# 2 c000\n", {"3:6 not the rdata"}},
      {"generic SOA cut short", "@ SOA \\# 1 00\n", {"3:7 not the rdata"}},
      {"generic TXT cut short", "a TXT \\# 2 0261\n", {"3:7 not the rdata"}},
      {"label too long", long_label + " A 192.0.2.1\n", {"3:1 longer than 63 octets"}},
      {"label too long in rdata", "a CNAME " + long_label + "\n", {"3:9 expected a domain name"}},
      {"name too long with the origin", long_name + " A 192.0.2.1\n", {"3:1 longer than 255 octets"}},
      {"name too long in rdata with the origin",
       "a MX 1 " + long_name + "\n",
       {"3:8 longer than 255 octets"}},
      {"owner of 10,000 octets", long_word + " A 192.0.2.1\n", {"3:1 not a domain name"}},
      {"name of 10,000 octets", "a CNAME " + long_word + "\n", {"3:9 expected a domain name"}},
      {"number of 10,000 digits", "a MX " + std::string(10000, '9') + " x\n", {"3:6 expected a number"}},
      {"address of 10,000 octets", "a A " + long_word + "\n", {"3:5 expected an IPv4 address"}},
      {"empty label", "a..b A 192.0.2.1\n", {"3:1 a label is empty"}},
      {"bad escape", "a\\999 A 192.0.2.1\n", {"3:1 not a domain name"}},
      {"string too long",
       "a TXT " + std::string(256, 'x') + "\n",
       {"3:7 expected a text of at most 255 octets"}},
      {"second string too long",
       "a TXT x \"" + std::string(256, 'x') + "\"\n",
       {"3:9 expected a text of at most 255 octets"}},
      {"bad escape in a string", "a TXT x\\300\n", {"3:7 expected a text"}},
      {"NUL octet", std::string("a A 192\0.0.2.1\n", 15), {"3:8 NUL"}},
      {"quote not closed", "a TXT \"x\nb A 192.0.2.1\n", {"3:7 the quote is not closed"}},
      {"last quote escaped", "a TXT \"x\\\"\n", {"3:7 the quote is not closed"}},
      {"quote not closed at the end of the file", "a TXT \"x", {"3:7 the quote is not closed"}},
      {"parenthesis not closed", "a TXT ( x\nb A 192.0.2.1\n", {"3:7 the parenthesis is not closed"}},
      {"parenthesis inside",
       "a TXT ( x\nb TXT ( y )\nc A x\n",
       {"4:7 expected the ')' to the '(' of line 3, column 7", "5:5 IPv4"}},
      {"parenthesis not opened", "a TXT x )\nb A x\n", {"3:9 ')' without", "4:5 IPv4"}},
      {"unknown directive", "$FOO bar\n", {"3:1 unknown directive"}},
      {"$ORIGIN without a name", "$ORIGIN\n", {"3:1 $ORIGIN needs one domain name"}},
      {"$ORIGIN with a bad name", "$ORIGIN a..b\n", {"3:9 a label is empty"}},
      {"$ORIGIN with two names", "$ORIGIN a b\n", {"3:11 needs one domain name"}},
      {"$TTL without a number", "$TTL\n", {"3:1 $TTL needs one"}},
      {"$TTL too large", "$TTL 2147483648\n", {"3:6 not a TTL"}},
      {"$INCLUDE without a file", "$INCLUDE\n", {"3:1 $INCLUDE needs a file name"}},
      {"$INCLUDE of a missing file",
       "$INCLUDE /nowhere/at-all\n",
       {"3:10 '/nowhere/at-all': cannot read the file: No such file or directory"}},
      {"$GENERATE without a range", "$GENERATE 1 a$ A 192.0.2.1\n", {"3:11 expected START-STOP"}},
      {"$GENERATE backwards", "$GENERATE 2-1 a$ A 192.0.2.1\n", {"3:11 expected START-STOP"}},
      {"$GENERATE by nothing", "$GENERATE 1-2/0 a$ A 192.0.2.1\n", {"3:11 expected START-STOP"}},
      {"$GENERATE too many", "$GENERATE 0-1000000 a$ A 192.0.2.1\n", {"3:11 at most 1000000 records"}},
      {"$GENERATE with a bad format", "$GENERATE 1-2 a${0,3,q} A 192.0.2.1\n", {"3:15 ${OFFSET,WIDTH,BASE}"}},
      {"$GENERATE with an open brace", "$GENERATE 1-2 a${0 A 192.0.2.1\n", {"3:15 ${OFFSET,WIDTH,BASE}"}},
      {"$GENERATE below zero", "$GENERATE 1-2 a${-2} A 192.0.2.1\n", {"3:15 out of range"}},
      {"$GENERATE of bad records", "$GENERATE 255-258 a$ A 192.0.2.$\n", {"3:24 '192.0.2.256'"}},
      {"$GENERATE without rdata", "$GENERATE 1-2 a$ A\n", {"3:18 A needs 1 value"}},
      {"$GENERATE without type", "$GENERATE 1-2 a$\n", {"3:1 $GENERATE needs"}},
  };
  for (const auto& row : rows) check_errors(apex_records + row.text, row);
}

TEST_CASE("the first record needs an owner") {
  check_errors(" 60 SOA ns hm 1 2 3 4 5\n@ 60 NS ns\n", {"first record", "", {"1:2 no owner"}});
}

TEST_CASE("all errors are reported at once") {
  const RefusalRow row{
      "several",
      "",
      {"3:5 IPv4", "4:1 label is empty", "4:8 IPv4", "6:3 unknown record type", "7:9 not closed",
       "8:1 outside", "11:1 CNAME beside", "12:1 second SOA", "15:7 IPv6"}};
  check_errors(apex_records +
                   "a A x\n"                  // 3
                   "b..c A y\n"               // 4
                   "  TXT \"of b..c\"\n"      // 5: whose owner is not known, which is no error of its own
                   "c QQ x\n"                 // 6
                   "d TXT a \"b\n"            // 7
                   "out.side. A 192.0.2.1\n"  // 8
                   "ok A 192.0.2.1\n"         // 9
                   "e CNAME f\n"              // 10
                   "e MX 1 f\n"               // 11
                   "@ SOA ns hm 8 ( 1 2\n"    // 12
                   "   3 ; comment (\n"       // 13
                   "  4 )\n"                  // 14
                   "\tAAAA 1.2.3.4",          // 15
               row);
}

TEST_CASE("errors have a limit") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "a A x\n";
  const auto errors = load_example(text).errors;
  CHECK(errors.size() == 1001);
  CHECK(errors.back().message == "too many errors: the rest is not shown");
}

}  // namespace sluice::zone
