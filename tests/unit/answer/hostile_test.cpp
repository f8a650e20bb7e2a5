// What has brought other servers down, put to the answer path; each test names the class of defect. What
// needs a daemon is in tests/system, what costs too much in tests/unit/cost; tests/threats.md lists them all.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string_view>

#include "allocations.hpp"
#include "world.hpp"

namespace sluice::answer {
namespace {

using namespace test;
using wire::test::append;
using wire::test::append_u16;
using wire::test::name_octets;
using wire::test::read_reply;
using wire::test::subnet_option;
using wire::test::reading::u16;
using wire::test::reading::well_formed;

constexpr std::size_t count_offsets[] = {4, 6, 8, 10};

Octets first_octets(const Octets& octets, std::size_t size) {
  return {octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size)};
}

// Puts messages to a world and counts those whose reply is not as it always has to be: none for what is no
// query, else well-formed, with the query's id and opcode, within the transport's limit.
class Examiner {
 public:
  void examine(const Octets& message, Transport transport = Transport::udp) {
    const Octets exact(message);  // of exactly this size, so that AddressSanitizer sees a read behind it
    const std::size_t room = transport == Transport::udp ? wire::udp_size_max : wire::message_size_max;
    const std::size_t size =
        world_.put(exact, std::span(buffer_).first(room), {.address = {}, .transport = transport});
    reply_ = wire::Bytes(buffer_).first(size);
    ++examined_;
    if (size != 0) ++replies_;
    if (!in_kind(exact, room)) ++bad_;
  }

  wire::Bytes reply() const { return reply_; }
  unsigned rcode() const { return reply_[3] & 0xFU; }
  World& world() { return world_; }
  unsigned bad() const { return bad_; }
  unsigned replies() const { return replies_; }
  unsigned examined() const { return examined_; }

 private:
  bool in_kind(const Octets& query, std::size_t room) const {
    const bool is_query = query.size() >= wire::header_size && (query[2] & 0x80) == 0;
    if (reply_.empty()) return !is_query || world_.snapshot.policy.rate_limiter != nullptr;
    if (!is_query) return false;
    return reply_[0] == query[0] && reply_[1] == query[1] &&
           (reply_[2] & 0xF8) == (0x80 | (query[2] & 0x78)) && reply_.size() <= room && well_formed(reply_);
  }

  World world_;
  Octets buffer_ = Octets(wire::message_size_max);
  wire::Bytes reply_;
  unsigned bad_ = 0, replies_ = 0, examined_ = 0;
};

constexpr const char* names_of_each_kind[] = {"www.example.",   "sticky.example.",  "x.app.example.",
                                              "many.example.",  "host.example.",    "alias.example.",
                                              "loop1.example.", "away.example.",    "x.wild.example.",
                                              "b.c.example.",   "y.under.example.", "big.example.",
                                              "huge.example.",  "x.child.example.", "nope.example.",
                                              "example.",       "elsewhere.test.",  "."};

TEST_CASE("assertion while rendering (BIND 2016-2776): every EDNS size with large answers, ANY and DO") {
  Examiner examiner;
  unsigned beyond = 0;
  for (const char* name : {"many.example.", "big.example.", "huge.example.", "x.child.example.",
                           "www.example.", "y.under.example.", "nope.example."})
    for (const RrType type : {RrType::a, RrType::aaaa, RrType::txt, RrType::any})
      for (const bool dnssec_ok : {false, true})
        for (unsigned size = 0; size <= 4096; ++size) {
          examiner.examine(Message(1).question(name, type).opt(size, dnssec_ok).octets());
          beyond += examiner.reply().size() > std::clamp(size, 512U, 1232U);
        }
  CHECK(examiner.bad() == 0);
  CHECK(beyond == 0);
  CHECK(examiner.replies() == examiner.examined());
}

TEST_CASE("crash on a type (PowerDNS 2021-36754): all 65,536, over UDP and TCP, with DO and without EDNS") {
  Examiner examiner;
  for (const char* name : names_of_each_kind)
    for (const bool edns : {false, true}) {
      Message message = Message(1).question(name, RrType::a);
      if (edns) message.opt(1232, true);
      Octets query = message.octets();
      const std::size_t type_at = wire::header_size + name_octets(name).size();
      for (unsigned type = 0; type <= 0xFFFF; ++type) {
        query[type_at] = static_cast<std::uint8_t>(type >> 8);
        query[type_at + 1] = static_cast<std::uint8_t>(type);
        examiner.examine(query, type % 2 == 0 ? Transport::udp : Transport::tcp);
      }
    }
  CHECK(examiner.bad() == 0);
  CHECK(examiner.replies() == examiner.examined());
}

TEST_CASE(
    "UPDATE and NOTIFY in other classes (BIND 2026-5946): opcode, class and type, with records in each "
    "section") {
  Examiner examiner;
  std::vector<unsigned> types = {0xFF00, 0xFFFE, 0xFFFF};
  for (unsigned type = 0; type <= 260; ++type) types.push_back(type);
  unsigned answered = 0, expected = 0;
  for (unsigned opcode = 0; opcode < 16; ++opcode)
    for (const unsigned rr_class : {0U, 1U, 2U, 3U, 4U, 253U, 254U, 255U, 256U, 0xFFFFU})
      for (const unsigned type : types)
        for (unsigned section = 0; section < std::size(count_offsets); ++section) {
          Message message =
              Message(9, opcode << 11)
                  .question("host.example.", static_cast<RrType>(type), static_cast<RrClass>(rr_class));
          if (section != 0)
            message.record({0xC0, 12}, type, rr_class, 0, {192, 0, 2, 1}, count_offsets[section]);
          examiner.examine(message.octets());
          answered += u16(examiner.reply(), 6) != 0;
          expected += opcode == 0 && rr_class == 1 && section != 1 && (type == 1 || type == 255);
        }
  CHECK(examiner.bad() == 0);
  CHECK(examiner.replies() == examiner.examined());
  // The address is given for A and ANY: with no record behind the question, one in authority or in
  // additional.
  CHECK(answered == expected);
}

// ---- records that sign messages ----

struct Field {
  std::size_t at;    // of a length in the rdata
  std::size_t size;  // that it has rightly
};

// Rdata of a record that signs or carries a key, and where lengths stand in it.
struct Signing {
  unsigned type;
  Octets rdata;
  std::vector<Field> lengths;
};

// RFC 8945, 4.2.
Signing tsig(const Octets& algorithm, unsigned error) {
  Signing made{250, algorithm, {}};
  append(made.rdata, Octets{0, 0, 0x65, 0x53, 0xF1, 0, 1, 44});  // time, fudge
  made.lengths.push_back({made.rdata.size(), 32});
  append_u16(made.rdata, 32);
  append(made.rdata, Octets(32, 0xAB));
  append_u16(made.rdata, 1);  // the original id
  append_u16(made.rdata, error);
  made.lengths.push_back({made.rdata.size(), 6});
  append_u16(made.rdata, 6);
  append(made.rdata, Octets(6, 0));
  return made;
}

// RFC 2930, 2.
Signing tkey(const Octets& algorithm, unsigned error) {
  Signing made{249, algorithm, {}};
  append(made.rdata, Octets(8, 1));  // inception, expiration
  append_u16(made.rdata, 3);
  append_u16(made.rdata, error);
  made.lengths.push_back({made.rdata.size(), 16});
  append_u16(made.rdata, 16);
  append(made.rdata, Octets(16, 0xCD));
  made.lengths.push_back({made.rdata.size(), 0});
  append_u16(made.rdata, 0);
  return made;
}

// RFC 2535, 4.1: a SIG that covers type 0; `algorithm` is the signer's name.
Signing sig0(const Octets& algorithm, unsigned error) {
  Signing made{24, {0, 0, static_cast<std::uint8_t>(error), 0}, {}};
  append(made.rdata, Octets(14, 1));
  append(made.rdata, algorithm);
  append(made.rdata, Octets(64, 0xEF));
  return made;
}

std::vector<Octets> algorithms() {
  std::vector<Octets> all;
  for (const char* name :
       {"hmac-md5.sig-alg.reg.int.", "hmac-sha1.", "hmac-sha224.", "hmac-sha256.", "hmac-sha384.",
        "hmac-sha512.", "gss-tsig.", "HMAC-SHA256.", "unknown.algorithm.", "."})
    all.push_back(name_octets(name));
  all.push_back({0xC0, 12});      // the question's name
  all.push_back({0xC0, 0});       // the header
  all.push_back({0xFF, 0xFF});    // beyond the message
  all.push_back({1, 'a', 0xC0});  // half a pointer
  all.push_back(Octets(300, 1));  // no end
  all.push_back({64, 'x', 0});    // a reserved label
  return all;
}

void examine_truncated(Examiner& examiner, const Octets& message, std::size_t from) {
  for (std::size_t size = from; size <= message.size(); ++size) examiner.examine(first_octets(message, size));
}

TEST_CASE(
    "TSIG, SIG(0) and TKEY (BIND 2020-8617, Knot, PowerDNS): each section, algorithm, error and truncation") {
  Examiner examiner;
  const Octets owner = name_octets("key.");
  for (const unsigned flags : {0x0000U, 0x2000U, 0x2800U})  // QUERY, NOTIFY, UPDATE
    for (const std::size_t counted_at : {6U, 8U, 10U})
      for (const auto& algorithm : algorithms())
        for (const unsigned error : {0U, 1U, 16U, 17U, 18U, 22U, 0xFFFFU})
          for (const Signing& signing :
               {tsig(algorithm, error), tkey(algorithm, error), sig0(algorithm, error)}) {
            const Message question = Message(1, flags).question("host.example.", RrType::soa);
            const Octets whole =
                Message(question).record(owner, signing.type, 255, 0, signing.rdata, counted_at).octets();
            examine_truncated(examiner, whole, error == 0 ? question.octets().size() : whole.size() - 8);
            // The rdata ends early, and its length says so.
            for (std::size_t size = 0; size < signing.rdata.size(); size += error == 0 ? 1 : 16)
              examiner.examine(
                  Message(question)
                      .record(owner, signing.type, 255, 0, first_octets(signing.rdata, size), counted_at)
                      .octets());
            for (const Field& length : signing.lengths)
              for (const std::size_t wrong :
                   {std::size_t{0}, length.size - 1, length.size + 1, std::size_t{0xFFFF}}) {
                Octets rdata = signing.rdata;
                rdata[length.at] = static_cast<std::uint8_t>(wrong >> 8);
                rdata[length.at + 1] = static_cast<std::uint8_t>(wrong);
                examiner.examine(
                    Message(question).record(owner, signing.type, 255, 0, rdata, counted_at).octets());
              }
          }
  CHECK(examiner.bad() == 0);
  CHECK(examiner.replies() == examiner.examined());
}

TEST_CASE("records that sign, several of them, before and behind OPT, under owners of every kind") {
  Examiner examiner;
  const Octets algorithm = name_octets("hmac-sha256.");
  const Octets owners[] = {name_octets("key."), {0}, {0xC0, 12}, {0xC0, 0xFF}, {0xFF, 0xFF}, Octets(260, 1)};
  for (const auto& owner : owners)
    for (const Signing& signing : {tsig(algorithm, 0), tkey(algorithm, 0), sig0(algorithm, 0)})
      for (const unsigned rr_class : {0U, 1U, 254U, 255U, 0xFFFFU})
        for (unsigned order = 0; order < 4; ++order) {
          Message message = Message(1).question("host.example.", RrType::a);
          if (order == 1) message.opt();
          message.record(owner, signing.type, rr_class, 0xFFFFFFFF, signing.rdata);
          if (order == 2) message.opt();
          if (order == 3) message.record(owner, signing.type, rr_class, 0, signing.rdata);
          examiner.examine(message.octets());
          examiner.examine(message.octets(), Transport::tcp);
        }
  CHECK(examiner.bad() == 0);
  CHECK(examiner.replies() == examiner.examined());
}

// ---- rate limiting ----

constexpr unsigned replies_a_second = 200;

std::shared_ptr<RateLimiter> limiter(unsigned slip) {
  config::RateLimit limit;
  limit.responses_per_second = replies_a_second;
  limit.slip = slip;
  return std::make_shared<RateLimiter>(limit, HashKey{});
}

TEST_CASE(
    "rate limiting and replies over the MTU (BIND 2021-25218): every EDNS size, in and over the limit") {
  for (const unsigned slip : {0U, 1U, 2U}) {
    Examiner examiner;
    examiner.world().snapshot.policy.rate_limiter = limiter(slip);
    unsigned beyond = 0, amplified = 0, full = 0;
    for (unsigned size = 0; size <= 4096; ++size)
      for (const char* name : {"huge.example.", "big.example.", "many.example."}) {
        examiner.world().scratch.now.steady_us += 1000;  // 3,000 queries a second
        const Octets query = Message(1).question(name, RrType::txt).opt(size, size % 2 == 0).octets();
        examiner.examine(query);
        beyond += examiner.reply().size() > std::clamp(size, 512U, 1232U);
        const bool truncated = !examiner.reply().empty() && (examiner.reply()[2] & 2) != 0;
        full += !examiner.reply().empty() && !truncated;
        amplified += truncated && examiner.reply().size() > query.size();
      }
    CHECK(examiner.bad() == 0);
    CHECK(beyond == 0);
    CHECK(amplified == 0);
    CHECK(full <= replies_a_second * (3 * 4097 / 1000 + 1));
    CHECK((examiner.replies() < examiner.examined()) == (slip != 1));
  }
}

TEST_CASE("pulsed amplification (CVE-2024-33655, DNSBomb): a pulse carries no more than a second's replies") {
  for (const unsigned pause_s : {1U, 2U, 10U, 300U}) {
    Examiner examiner;
    examiner.world().snapshot.policy.rate_limiter = limiter(2);
    const Octets query = Message(1).question("big.example.", RrType::txt).opt().octets();
    std::size_t highest = 0, sent = 0;
    for (unsigned pulse = 0; pulse < 30; ++pulse) {
      examiner.world().scratch.now.steady_us += pause_s * 1'000'000ULL;
      std::size_t answered = 0, octets = 0;
      for (unsigned i = 0; i < 5000; ++i) {
        examiner.examine(query);
        answered += !examiner.reply().empty() && (examiner.reply()[2] & 2) == 0;
        octets += examiner.reply().size();
      }
      highest = std::max(highest, answered);
      sent += octets;
    }
    CHECK(examiner.bad() == 0);
    CHECK(highest <= replies_a_second);
    CHECK(highest >= replies_a_second - 1);
    CHECK(sent <= 30 * (replies_a_second * wire::udp_size_max + 5000 * query.size()));
  }
}

// ---- counts, lengths and pointers ----

TEST_CASE("memory by header counts (PowerDNS 2026-52682): counts of up to 65,535 with nothing behind them") {
  Examiner examiner;
  const unsigned counts[] = {0, 1, 2, 255, 0xFFFF};
  const std::uint64_t allocated = allocations();
  std::uint64_t own = 0;
  for (unsigned combination = 0; combination < 5 * 5 * 5 * 5; ++combination)
    for (const bool question : {false, true})
      for (const unsigned flags : {0x0000U, 0x2000U, 0x2800U}) {
        const std::uint64_t before = allocations();
        Message message(1, flags);
        if (question) message.question("host.example.", RrType::a);
        for (unsigned i = 0, rest = combination; i < 4; ++i, rest /= 5)
          message.set_count(count_offsets[i], counts[rest % 5]);
        const Octets octets = message.octets();
        own += allocations() - before + 1;  // and the examiner's copy
        examiner.examine(octets);
      }
  CHECK(allocations() - allocated == own);  // answering took none
  CHECK(examiner.bad() == 0);
  CHECK(examiner.replies() == examiner.examined());
}

TEST_CASE("compression pointers in the question (PowerDNS 2015-1868, RFC 9267): every one is FORMERR") {
  Examiner examiner;
  unsigned refused = 0, expected = 0;
  for (const Octets& before : {Octets{}, Octets{1, 'a'}, name_octets("host.example.")})
    for (unsigned pointer = 0x4000; pointer <= 0xFFFF; ++pointer) {
      Octets name = before;
      if (before.size() > 2) name.pop_back();
      append_u16(name, pointer);
      examiner.examine(Message(1).question(name, RrType::a).octets());
      refused += examiner.rcode() == 1 && u16(examiner.reply(), 4) == 0;
      ++expected;
    }
  CHECK(examiner.bad() == 0);
  CHECK(refused == expected);
}

TEST_CASE(
    "compression pointers behind the question: to themselves, forward, into the header, half, in chains") {
  Examiner examiner;
  const Message question = Message(1).question("host.example.", RrType::a);
  const auto here = static_cast<unsigned>(question.octets().size());
  for (const std::size_t counted_at : {8U, 10U})
    for (const unsigned type : {1U, 6U, 41U, 250U})
      for (unsigned target = 0; target <= 0x3FFF; target += target < 2 * here ? 1 : 97) {
        Octets owner;
        append_u16(owner, 0xC000 | target);
        examiner.examine(Message(question).record(owner, type, 1, 0, owner, counted_at).octets());
      }
  // A chain of 16,000 pointers, each to the one behind it, the last to the first.
  Octets chain;
  for (unsigned i = 1; i <= 8000; ++i) append_u16(chain, 0xC000 | (here + 12 + 2 * (i % 8000)));
  for (const unsigned type : {1U, 2U, 6U, 41U, 250U})
    for (const std::size_t counted_at : {8U, 10U})
      examiner.examine(Message(question).record({0xC0, 12}, type, 1, 0, chain, counted_at).octets());
  CHECK(examiner.bad() == 0);
  CHECK(examiner.replies() == examiner.examined());
}

TEST_CASE("RDLENGTH over and under, and counts beyond the data (RFC 9267)") {
  Examiner examiner;
  const Octets soa_rdata(22, 0), subnet = subnet_option(1, 24, 0, {192, 0, 2});
  for (const std::size_t counted_at : {6U, 8U, 10U})
    for (const unsigned type : {1U, 6U, 41U, 250U})
      for (const Octets& rdata : {Octets{}, Octets{192, 0, 2, 1}, soa_rdata, subnet}) {
        const Message question = Message(1).question("host.example.", RrType::ixfr);
        Octets message = Message(question).record({0}, type, 1, 0, rdata, counted_at).octets();
        const std::size_t length_at = question.octets().size() + 9;
        for (unsigned length = 0; length <= 0xFFFF; length += length < 300 ? 1 : 251) {
          message[length_at] = static_cast<std::uint8_t>(length >> 8);
          message[length_at + 1] = static_cast<std::uint8_t>(length);
          for (const unsigned count : {1U, 2U, 0xFFFFU}) {
            message[counted_at] = static_cast<std::uint8_t>(count >> 8);
            message[counted_at + 1] = static_cast<std::uint8_t>(count);
            examiner.examine(message);
          }
        }
      }
  CHECK(examiner.bad() == 0);
  CHECK(examiner.replies() == examiner.examined());
}

// ---- names ----

// A dot inside a label, NUL, blanks, quotes, 255 octets, 127 labels, labels of 63 octets; each before
// `suffix`.
std::vector<Octets> odd_names(const char* suffix) {
  const Octets behind = name_octets(suffix);
  std::vector<Octets> beginnings = {{},
                                    {1, '.'},
                                    {3, 'a', '.', 'b'},
                                    {1, 0},
                                    {4, 0, 0, 0, 0},
                                    {1, 0xFF},
                                    {2, 0xC3, 0xBC},
                                    {1, ' '},
                                    {1, '"'},
                                    {1, '\\'},
                                    {1, '*'},
                                    {2, '*', '*'},
                                    {1, '@'},
                                    {1, '$'},
                                    {3, '0', 'x', '1'},
                                    {4, '\\', '0', '0', '0'},
                                    {1, '\n'}};
  Octets longest_labels;
  while (longest_labels.size() + 64 + behind.size() <= 255) {
    longest_labels.push_back(63);
    append(longest_labels, Octets(63, 'Z'));
  }
  const auto left = 255 - behind.size() - longest_labels.size();
  if (left >= 2) {
    longest_labels.push_back(static_cast<std::uint8_t>(left - 1));
    append(longest_labels, Octets(left - 1, 0));
  }
  Octets most_labels;
  while (most_labels.size() + 2 + behind.size() <= 255) append(most_labels, Octets{1, 'l'});
  beginnings.insert(beginnings.end(), {longest_labels, most_labels});
  for (Octets& beginning : beginnings) append(beginning, behind);
  return beginnings;
}

TEST_CASE(
    "odd names (PowerDNS 2016-5426): answered like any other, and the question comes back octet for octet") {
  Examiner examiner;
  unsigned changed = 0;
  for (const char* suffix :
       {"example.", "wild.example.", "app.example.", "under.example.", "child.example.", "test.", "."})
    for (const Octets& name : odd_names(suffix))
      for (const RrType type : {RrType::a, RrType::txt, RrType::any, RrType::ds}) {
        const Octets query = Message(1).question(name, type).octets();
        examiner.examine(query);
        const wire::Bytes reply = examiner.reply();
        changed +=
            reply.size() < query.size() || !std::equal(query.begin() + 12, query.end(), reply.begin() + 12);
      }
  CHECK(examiner.bad() == 0);
  CHECK(changed == 0);
}

TEST_CASE("names over the limits are FORMERR: 256 octets, 128 labels, labels of 64 and more") {
  Examiner examiner;
  for (const std::size_t labels : {127U, 128U, 129U, 200U, 30000U}) {
    Octets name;
    for (std::size_t i = 0; i < labels; ++i) append(name, Octets{1, 'l'});
    name.push_back(0);
    examiner.examine(Message(1).question(name, RrType::a).octets());
    CHECK(examiner.rcode() == (labels == 127 ? 5 : 1));
  }
  for (unsigned length = 64; length <= 255; ++length) {
    Octets name = {static_cast<std::uint8_t>(length)};
    append(name, Octets(length, 'x'));
    name.push_back(0);
    examiner.examine(Message(1).question(name, RrType::a).octets());
    CHECK(examiner.rcode() == 1);
  }
  CHECK(examiner.bad() == 0);
}

// ---- replies ----

TEST_CASE(
    "answers kept under too coarse a key (PowerDNS 2018-14626): none depends on what was asked before it") {
  World world;
  std::vector<std::pair<Octets, Client>> asked;
  for (const char* name : names_of_each_kind) {
    // These draw by chance.
    if (std::set<std::string_view>{"www.example.", "alias.example.", "many.example."}.contains(name))
      continue;
    for (const RrType type : {RrType::a, RrType::aaaa, RrType::txt, RrType::any, RrType::ds, RrType::soa})
      for (const RrClass rr_class : {RrClass::in, RrClass::ch, RrClass::any})
        for (unsigned edns = 0; edns < 5; ++edns)
          for (const Transport transport : {Transport::udp, Transport::tcp}) {
            Message message = Message(1).question(name, type, rr_class);
            if (edns == 1) message.opt(1232, false);
            if (edns == 2) message.opt(1232, true);
            if (edns == 3) message.opt(512, false, subnet_option(1, 24, 0, {192, 0, 2}));
            if (edns == 4) message.opt(512, false, subnet_option(1, 24, 0, {10, 9, 8}));
            asked.push_back({message.octets(), {.address = {}, .transport = transport}});
          }
  }
  std::map<std::size_t, Octets> first;
  for (std::size_t i = 0; i < asked.size(); ++i) first[i] = world.ask(asked[i].first, asked[i].second);
  std::mt19937 random(14626);
  unsigned different = 0;
  for (unsigned i = 0; i < 50000; ++i) {
    const std::size_t at = random() % asked.size();
    different += world.ask(asked[at].first, asked[at].second) != first[at];
  }
  CHECK(different == 0);
}

}  // namespace
}  // namespace sluice::answer
