// What the loader reads: every common type, RFC 3597, the syntax of master files, directives, files.
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "support.hpp"

namespace sluice::zone {
namespace {

std::string rdata_of(const Zone& zone, std::string_view owner, unsigned type) {
  const auto* node = zone.exact(lookup(owner));
  return node == nullptr ? "no node"
                         : rrset_hex(zone.rrset(*node, wire::RrType(static_cast<std::uint16_t>(type))));
}

const std::string example_wire = "076578616d706c6500";

// A folder of its own, gone with the object.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "zone-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path(const std::string& file) const { return (path_ / file).string(); }
  std::string write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path(file)).parent_path());
    std::ofstream(path(file), std::ios::binary) << text;
    return path(file);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("rdata of every common type") {
  struct Row {
    std::string text;  // type and rdata
    unsigned type;
    std::string expected;
  };
  const Row rows[] = {
      {"A 192.0.2.1", 1, "c0000201"},
      {"NS b", 2, "0162" + example_wire},
      {"NS B.Example.ORG.", 2, "0142074578616d706c65034f524700"},
      {"CNAME @", 5, example_wire},
      {"CNAME .", 5, "00"},
      {"PTR b", 12, "0162" + example_wire},
      {"HINFO pc \"linux x\"", 13,
       "02706307"
       "6c696e75782078"},
      {"MX 10 mail", 15, "000a046d61696c" + example_wire},
      {"TXT a \"b c\" \"\" \"d;e(\" f\\\"\\032", 16,
       "016103622063000464"
       "3b6528"
       "03662220"},
      {"TXT \"a\"b", 16, "01610162"},
      {"RP a b", 17, "0161" + example_wire + "0162" + example_wire},
      {"AFSDB 1 b", 18, "00010162" + example_wire},
      {"AAAA 2001:db8::1", 28, "20010db8000000000000000000000001"},
      {"LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", 29, "000016138b3cf018810cbce0009895b8"},
      {"SRV 1 2 443 t", 33, "0001000201bb0174" + example_wire},
      {"NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .", 35,
       "0064000a0175074532552b7369700e215e2e2a24217369703a6140622100"},
      {"CERT 1 1 1 AAAA", 37, "0001000101000000"},
      {"DNAME b", 39, "0162" + example_wire},
      {"APL 1:192.0.2.0/24", 42, "00011803c00002"},
      {"DS 12345 8 2 0123 4567", 43,
       "30390802"
       "01234567"},
      {"SSHFP 1 1 0123456789abcdef", 44, "01010123456789abcdef"},
      {"RRSIG A 8 2 3600 20300101000000 20200101000000 1 @ AAAA", 46,
       "0001080200000e1070dbd8805e0be1000001" + example_wire + "000000"},
      {"NSEC b A MX", 47, "0162" + example_wire + "00024001"},
      {"DNSKEY 257 3 8 AAAA", 48, "01010308000000"},
      {"TLSA 3 1 1 0123 4567 89", 52, "0301010123456789"},
      {"OPENPGPKEY AAAA", 61, "000000"},
      {"SVCB 0 b", 64, "00000162" + example_wire},
      {"HTTPS 1 . port=443 alpn=\"h2,h3\" ipv4hint=192.0.2.1", 65,
       "0001"
       "00"
       "0001"
       "0006"
       "026832026833"
       "0003"
       "0002"
       "01bb"
       "0004"
       "0004"
       "c0000201"},
      {"HTTPS 1 . mandatory=port port=443", 65,
       "0001"
       "00"
       "0000"
       "0002"
       "0003"
       "0003"
       "0002"
       "01bb"},
      // RFC 9460, D.2, figures 9 and 10: two levels of escapes
      {"SVCB 16 . alpn=\"f\\\\\\\\oo\\\\,bar,h2\"", 64, "0010000001000c08665c6f6f2c626172026832"},
      {"SVCB 16 . alpn=f\\\\\\092oo\\092,bar,h2", 64, "0010000001000c08665c6f6f2c626172026832"},
      {"SVCB 1 . key667=hello\\210qoo", 64, "000100029b000968656c6c6fd2716f6f"},
      {"SPF v=spf1", 99, "06763d73706631"},
      {"URI 1 2 \"http://x y\"", 256, "00010002687474703a2f2f782079"},
      {"CAA 0 issue \"ca.example; x=y\"", 257, "0005697373756563612e6578616d706c653b20783d79"},
      {"CAA 128 iodef mailto:a@b", 257, "8005696f6465666d61696c746f3a614062"},
      {"TYPE65280 \\# 4 0A000001", 65280, "0a000001"},
      {"TYPE65280 \\# 4 0a 0000 01", 65280, "0a000001"},
      {"type65280 \\# 0", 65280, ""},
      {"TYPE1 192.0.2.1", 1, "c0000201"},
      {"A \\# 4 C0000201", 1, "c0000201"},
      {"MX \\# 5 000a016100", 15, "000a016100"},
      {"aaaa ::", 28, "00000000000000000000000000000000"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto zone = make_zone("a " + row.text + "\n");
    CHECK(rdata_of(*zone, "a.example", row.type) == row.expected);
  }
}

TEST_CASE("the syntax of entries") {
  struct Row {
    std::string name;
    std::string text;
    std::string owner;
    unsigned ttl;
  };
  const Row rows[] = {
      // each has the record A 192.0.2.1
      {"TTL and class", "a 60 IN A 192.0.2.1\n", "a.example", 60},
      {"class and TTL", "a IN 60 A 192.0.2.1\n", "a.example", 60},
      {"TTL with units", "a 1w2d3h4M5s A 192.0.2.1\n", "a.example", 788645},
      {"the largest TTL", "a 2147483647 A 192.0.2.1\n", "a.example", 2147483647},
      {"TTL 0", "a 0 A 192.0.2.1\n", "a.example", 0},
      {"the last TTL given", "a A 192.0.2.1\n", "a.example", 3600},
      {"$TTL", "$TTL 77\nb 5 TXT x\na A 192.0.2.1\n", "a.example", 77},
      {"lower case", "A 60 in a 192.0.2.1\n", "a.example", 60},
      {"owner that looks like a type", "IN A 192.0.2.1\n", "in.example", 3600},
      {"owner that looks like a TTL", "10 10 A 192.0.2.1\n", "10.example", 10},
      {"owner omitted", "a TXT x\n\t60 A 192.0.2.1\n", "a.example", 60},
      {"owner omitted after blank lines", "a TXT x\n\n  ; no\n   A 192.0.2.1\n", "a.example", 3600},
      {"absolute owner", "a.Example. A 192.0.2.1\n", "a.example", 3600},
      {"apex", "@ A 192.0.2.1\n", "example", 3600},
      {"escaped at sign", "\\@ A 192.0.2.1\n", "\\@.example", 3600},
      {"escaped dot", "a\\.b A 192.0.2.1\n", "a\\.b.example", 3600},
      {"escaped last dot", "a\\. A 192.0.2.1\n", "a\\..example", 3600},
      {"escaped semicolon", "a\\;b A 192.0.2.1\n", "a\\;b.example", 3600},
      {"escaped blank", "a\\ b A 192.0.2.1\n", "a\\032b.example", 3600},
      {"escaped dollar", "\\$a A 192.0.2.1\n", "\\$a.example", 3600},
      {"decimal escape", "\\097 A 192.0.2.1\n", "a.example", 3600},
      {"parentheses over lines", "a ( 60\n; c\n IN\nA 192.0.2.1\n)\n", "a.example", 60},
      {"parentheses around nothing", "a A ( ) 192.0.2.1\n", "a.example", 3600},
      {"parentheses without blanks", "a A(192.0.2.1)\n", "a.example", 3600},
      {"comment without blank", "a A 192.0.2.1;x\n", "a.example", 3600},
      {"CRLF", "\r\na A 192.0.2.1\r\n", "a.example", 3600},
      {"no final newline", "a A 192.0.2.1", "a.example", 3600},
      {"$ORIGIN relative", "$ORIGIN b\na A 192.0.2.1\n", "a.b.example", 3600},
      {"$ORIGIN absolute", "$origin b.example.\n@ A 192.0.2.1\n", "b.example", 3600},
      {"$ORIGIN twice", "$ORIGIN b\n$ORIGIN c\na A 192.0.2.1\n", "a.c.b.example", 3600},
      {"$ORIGIN outside and back", "$ORIGIN org.\n$ORIGIN example.\na A 192.0.2.1\n", "a.example", 3600},
      {"least TTL of the RRset", "a 60 A 192.0.2.1\na 30 TXT x\na 50 A 192.0.2.2\n", "a.example", 50},
      {"least TTL of a repeated record", "a 60 A 192.0.2.1\na 50 A 192.0.2.1\n", "a.example", 50},
      {"longest label", std::string(63, 'x') + " A 192.0.2.1\n", std::string(63, 'x') + ".example", 3600},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto zone = make_zone(row.text);
    const auto* node = zone->exact(lookup(row.owner));
    REQUIRE(node != nullptr);
    const auto rrset = zone->rrset(*node, wire::RrType::a);
    CHECK(rrset_hex(rrset).starts_with("c0000201"));
    CHECK(rrset.type() == wire::RrType::a);
    CHECK(rrset.ttl() == row.ttl);
  }
}

TEST_CASE("duplicate records are dropped, in whatever letter case") {
  const auto zone = make_zone(
      "a A 192.0.2.2\na A 192.0.2.1\na A 192.0.2.2\nA 60 A 192.0.2.1\n"
      "a MX 65 b\na MX 97 b\na MX 65 B\n"
      "a TXT x\na TXT X\n"
      "c CNAME d\nc CNAME D\n@ NS NS\n");
  CHECK(rdata_of(*zone, "a.example", 1) == "c0000202 c0000201");
  CHECK(rdata_of(*zone, "a.example", 15) == "00410162" + example_wire + " 00610162" + example_wire);
  CHECK(rdata_of(*zone, "a.example", 16) == "0178 0158");
  CHECK(rdata_of(*zone, "c.example", 5) == "0164" + example_wire);
  CHECK(zone->apex_ns().count() == 1);
  CHECK(zone->record_count() == 9);
  CHECK(zone->name_count() == 3);
}

TEST_CASE("RRSIG, NSEC and KEY may stand beside a CNAME") {
  const auto zone =
      make_zone("a CNAME b\na NSEC c CNAME\na RRSIG CNAME 8 2 60 20300101000000 20200101000000 1 @ AAAA\n");
  CHECK(zone->record_count() == 5);
}

TEST_CASE("what the zone says about itself") {
  const auto result =
      load_example("@ 100 SOA ns hm 2024010101 1h 10m 1d 300\n@ 50 NS a\n 50 NS b\nwww.x 1 TXT x\n",
                   {{name("s.example"), 4}, {name("www.x.example"), 5}, {name("other."), 6}});
  REQUIRE(result.zone != nullptr);
  const auto& zone = *result.zone;
  CHECK(zone.apex() == name("example"));
  CHECK(zone.serial() == 2024010101);
  CHECK(zone.negative_ttl() == 100);
  CHECK(zone.soa().ttl() == 100);
  CHECK(zone.apex_ns().count() == 2);
  CHECK(zone.apex_ns().ttl() == 50);
  CHECK(zone.name_count() == 3);  // the apex, www.x, s
  CHECK(zone.record_count() == 4);
  CHECK(zone.steer(*zone.exact(lookup("s.example"))) == 4);
  CHECK(zone.steer(*zone.exact(lookup("www.x.example"))) == 5);
  CHECK(zone.steer(*zone.exact(lookup("x.example"))) == not_steered);
  CHECK(zone.any_rrset(*zone.exact(lookup("www.x.example"))).type() == wire::RrType::txt);
  CHECK_FALSE(zone.any_rrset(*zone.exact(lookup("x.example"))));
  CHECK_FALSE(zone.any_rrset(*zone.exact(lookup("s.example"))));
}

TEST_CASE("a SOA without TTL takes its MINIMUM") {
  const auto result = load_example("@ SOA ns hm 1 2 3 4 55\n NS ns\n");
  REQUIRE(result.zone != nullptr);
  CHECK(result.zone->soa().ttl() == 55);
  CHECK(result.zone->apex_ns().ttl() == 55);
}

TEST_CASE("$GENERATE") {
  const auto zone = make_zone(
      "$GENERATE 1-9/4 h$ A 192.0.2.$\n"
      "$GENERATE 10-11 h${-9,3,d} 30 IN MX ${0} m${0,4,x}\n"
      "$GENERATE 18-18 ${0,3,n}.r PTR h${1,0,o}\\$\n"
      "$ORIGIN g.example.\n$GENERATE 7-7 $ CNAME @\n");
  CHECK(rdata_of(*zone, "h1.example", 1) == "c0000201");
  CHECK(rdata_of(*zone, "h2.example", 1) == "no node");
  CHECK(rdata_of(*zone, "h5.example", 1) == "c0000205");
  CHECK(rdata_of(*zone, "h9.example", 1) == "c0000209");
  CHECK(rdata_of(*zone, "h001.example", 15) == "000a056d30303061" + example_wire);
  CHECK(rdata_of(*zone, "h002.example", 15) == "000b056d30303062" + example_wire);
  CHECK(rdata_of(*zone, "2.1.r.example", 12) ==
        "04"
        "68"
        "3233"
        "24" +
            example_wire);
  CHECK(rdata_of(*zone, "7.g.example", 5) == "0167" + example_wire);
}

TEST_CASE("files and $INCLUDE") {
  const Folder folder;
  const auto main = folder.write(
      "main.zone",
      apex_records +
          "a TXT x\n$INCLUDE sub/one.zone b\n A 192.0.2.1\nc CNAME d\n$INCLUDE \"sub/two.zone\"\n");
  folder.write("sub/one.zone", "e A 192.0.2.2\n$ORIGIN z.example.\ny A 192.0.2.3\n$INCLUDE two.zone f\n");
  folder.write("sub/two.zone", "g A 192.0.2.4\n");
  const auto result = load(main, name("example"), {});
  CHECK(to_text(result.errors) == "");
  REQUIRE(result.zone != nullptr);
  const auto& zone = *result.zone;
  CHECK(rdata_of(zone, "a.example", 1) == "c0000201");
  CHECK(rdata_of(zone, "e.b.example", 1) == "c0000202");
  CHECK(rdata_of(zone, "y.z.example", 1) == "c0000203");
  CHECK(rdata_of(zone, "g.f.z.example", 1) == "c0000204");
  CHECK(rdata_of(zone, "g.example", 1) == "c0000204");
  CHECK(rdata_of(zone, "c.example", 5) == "0164" + example_wire);

  folder.write("sub/two.zone", "; one\n g A 192.0.2.4\nq A x\n");
  const auto errors = to_text(load(main, name("example"), {}).errors);
  CHECK(errors.find(folder.path("sub/two.zone") + ":3:5: error: 'x' is not valid here") != std::string::npos);
}

TEST_CASE("an error between files names both") {
  const Folder folder;
  const auto main = folder.write("main.zone", apex_records + "a CNAME b\n$INCLUDE other.zone\n");
  folder.write("other.zone", "\na TXT x\n");
  CHECK(to_text(load(main, name("example"), {}).errors) ==
        fmt::format("{}:2:1: error: a CNAME beside other data at 'a.example.': expected no TXT, as there is "
                    "CNAME at {}:3 "
                    "(RFC 1034, 3.6.2)\n",
                    folder.path("other.zone"), main));
}

TEST_CASE("a file that includes itself ends") {
  const Folder folder;
  const auto once = folder.write("once.zone", "$INCLUDE once.zone\n");
  auto errors = load(once, name("example"), {}).errors;
  REQUIRE(errors.size() == 1);
  CHECK(to_text(errors) == once + ":1:10: error: $INCLUDE is nested deeper than 8 files\n");
  std::string text;
  for (int i = 0; i < 100; ++i) text += "$INCLUDE many.zone\n";
  errors = load(folder.write("many.zone", text), name("example"), {}).errors;
  CHECK(errors.size() == 1001);
}

TEST_CASE("what is no readable file is refused") {
  const Folder folder;
  std::filesystem::create_directory(folder.path("folder"));
  REQUIRE(::mkfifo(folder.path("pipe").c_str(), 0600) == 0);
  const std::pair<std::string, std::string> rows[] = {{"missing", "No such file or directory"},
                                                      {"folder", "it is no regular file"},
                                                      {"pipe", "it is no regular file"}};
  for (const auto& [file, expected] : rows) {
    CAPTURE(file);
    const auto result = load(folder.path(file), name("example"), {});
    CHECK(result.zone == nullptr);
    CHECK(to_text(result.errors) ==
          folder.path(file) + ":1:1: error: cannot read the file: " + expected + "\n");
  }
  const auto folder_included =
      load_text(apex_records + "$INCLUDE folder\n", folder.path("x"), name("example"), {});
  CHECK(to_text(folder_included.errors) ==
        fmt::format("{}:3:10: error: '{}': cannot read the file: it is no regular file\n", folder.path("x"),
                    folder.path("folder")));
}

TEST_CASE("a record may be large") {
  std::string text = "a TXT";
  for (int i = 0; i < 230; ++i) text += " \"" + std::string(255, 'x') + "\"";
  const auto zone = make_zone(text + "\n");
  CHECK(zone->rrset(*zone->exact(lookup("a.example")), wire::RrType::txt).first().size() == 230 * 256);
  for (int i = 0; i < 300; ++i) text += " \"" + std::string(255, 'x') + "\"";
  CHECK(to_text(load_example(apex_records + text).errors) ==
        "example.zone:3:3: error: the record's text is longer than 65,000 octets\n");
}

}  // namespace sluice::zone
