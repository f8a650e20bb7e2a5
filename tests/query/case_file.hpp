// The text form of query cases: zones, pools and steers once, then queries and the replies they must get.
//
//   # a comment
//   zone example.                       the master file's text, up to a line `end`
//   $TTL 60
//   @ SOA ns hostmaster 1 7200 900 1209600 300
//   end
//   pool v1 192.0.2.1 192.0.2.2*3 192.0.2.3!down 2001:db8::1!drained
//   pool cdn edge.cdn.example. backup.cdn.example.*2!down
//   pool v2 192.0.2.4 192.0.2.5!down min_healthy=60% fail_open=all ttl_max=5
//   steer two.example. v1=1 standby=v2,v3 cap=50% ttl_min=10       cap: of every pool, when it takes over
//   steer www.example. v1=95 v2=5 ttl=30 answers=2 method=sticky subnet4=24 subnet6=56
//   class testers 10.0.0.0/8 2001:db8::/32
//   steer ab.example. v1=1 v2=0 class:testers=v2
//   policy identity=ns1 version=1.0 cookie=00112233445566778899aabbccddeeff cookies=required now=1559731985
//
//   case the name of the case
//   query www.example. A +edns=1232 +do +subnet=192.0.2.0/24
//   reply NOERROR aa
//   answer www.example. 30 A 192.0.2.1
//
// Options of a query: +udp +tcp +tls +rd +cd +edns[=SIZE] +do +version=N +subnet=ADDRESS/LENGTH
// +client=ADDRESS +opcode=N +class=CH +nsid +keepalive +padding[=SIZE] +cookie=HEX. In place of `query` there
// may be `raw HEX`, a whole message in hexadecimal (+tcp and +client may follow).
//
// A query is put to answer() directly and through sockets, over UDP, TCP and TLS, and has to get this reply
// each time; over those of +udp +tcp +tls only when any of these is there. What depends on the client's
// address
// (+client) or on the time (policy) is asked directly only.
//
// A reply is `none` or a code with the flags that are set (of aa tc rd; qr is always wanted). Records stand
// one a line behind the name of their section; within an RRset their order does not matter. What need not be
// written, because it follows from the query: `question NAME CLASS TYPE` (the query's own, letter case
// included; `question none`), and `edns SIZE [version=N] [do] [subnet=ADDRESS/SOURCE/SCOPE] [cookie=HEX]
// [nsid=TEXT] [keepalive=N] [error=CODE[:TEXT]] [padding=SIZE]` (1232 and the query's DO when the query had
// OPT; `edns none`). `size N` is checked when it is there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "answer/answer.hpp"
#include "config/config.hpp"
#include "steer/block.hpp"

namespace sluice::query_cases {

struct ZoneText {
  wire::Name apex;
  std::string text;
};

struct PoolText {
  std::string name;
  std::vector<steer::Candidate> candidates;
  steer::PoolRules rules;
};

struct ClassText {
  std::string name;
  std::vector<Prefix> prefixes;
};

struct SteerText {
  steer::SteerInput input;
  std::vector<double> weights;
};

struct PolicyText {
  std::string identity, version;
  answer::Cookies cookies;
  std::uint32_t now = 0;
};

struct Setup {
  PolicyText policy;
  std::vector<ZoneText> zones;
  std::vector<PoolText> pools;
  std::vector<ClassText> classes;
  std::vector<SteerText> steers;
};

struct Case {
  unsigned line = 0;
  std::string title;
  std::vector<answer::Transport> transports{answer::Transport::udp, answer::Transport::tcp,
                                            answer::Transport::tls};
  bool through_sockets = true;
  answer::Client client{.address = {.family = Family::v4, .octets = {198, 51, 100, 1}}};
  std::vector<std::uint8_t> message;
  std::vector<std::string> expected;  // as describe() gives a reply; `size` only when it is checked
};

struct CaseFile {
  Setup setup;
  std::vector<Case> cases;
};

// `error` says what is wrong, with the line, when there is nothing.
std::optional<CaseFile> read_case_file(const std::string& path, std::string& error);

}  // namespace sluice::query_cases
