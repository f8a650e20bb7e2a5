#include "zone/compiler.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "zone/layout.hpp"

namespace sluice::zone {
namespace {

using wire::Bytes;
using wire::RrType;

constexpr std::uint32_t none = ~std::uint32_t{0};
constexpr std::size_t rrset_records_max = 0xFFFF;  // RrsetEntry::count; no message holds that many

// A name while the tree is being made. Parents stand before their children.
struct Draft {
  Bytes name;  // in lower case; borrowed
  std::uint64_t hash;
  std::uint32_t parent = none;
  std::uint32_t first = none, last = none;  // its records, chained by Tree::next
  std::uint32_t cover = none;               // as Node::cover
  std::uint32_t wildcard = none;
  std::uint32_t cover_record = none;  // at a cut or DNAME: the record that makes it one
  SteerId steer = not_steered;
  Offset offset = nowhere;
  std::uint8_t label_count = 0;
  bool is_cut = false;
  bool to_hosts = false;  // steered, and the answer is a CNAME
};

// All names of the zone, with their ancestors up to the apex.
class Tree {
 public:
  Tree(const wire::Name& apex, std::size_t records) : next_(records, none) {
    drafts_.reserve(records + 1);
    slots_.assign(std::bit_ceil(2 * (records + 8)), none);
    add(apex.wire(), wire::hash_name(apex.wire()), none);
    drafts_[0].label_count = static_cast<std::uint8_t>(apex.label_count());
  }

  std::vector<Draft>& drafts() { return drafts_; }
  std::uint32_t next(std::uint32_t record) const { return next_[record]; }

  void chain(std::uint32_t draft, std::uint32_t record) {
    auto& owner = drafts_[draft];
    (owner.first == none ? owner.first : next_[owner.last]) = record;
    owner.last = record;
  }

  // The draft of `name`; `none` when it is not at or below the apex. Adds its ancestors before it.
  std::uint32_t intern(Bytes name) {
    std::array<std::size_t, wire::labels_max + 1> missing;  // where the unknown ancestors begin
    std::size_t count = 0, at = 0;
    auto found = none;
    for (;; at += 1 + name[at]) {
      found = look_up(name.subspan(at), wire::hash_name(name.subspan(at)));
      if (found != none) break;
      if (name[at] == 0) return none;
      missing[count++] = at;
    }
    while (count-- != 0) {
      const auto suffix = name.subspan(missing[count]);
      found = add(suffix, wire::hash_name(suffix), found);
    }
    return found;
  }

 private:
  std::uint32_t look_up(Bytes name, std::uint64_t hash) const {
    for (auto i = hash >> 32 & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i] == none) return none;
      const auto& draft = drafts_[slots_[i]];
      if (draft.hash == hash && std::ranges::equal(draft.name, name)) return slots_[i];
    }
  }

  void place(std::uint32_t number) {
    auto i = drafts_[number].hash >> 32 & (slots_.size() - 1);
    while (slots_[i] != none) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = number;
  }

  std::uint32_t add(Bytes name, std::uint64_t hash, std::uint32_t parent) {
    const auto number = static_cast<std::uint32_t>(drafts_.size());
    Draft draft{.name = name, .hash = hash, .parent = parent};
    if (parent != none) {
      draft.label_count = static_cast<std::uint8_t>(drafts_[parent].label_count + 1);
      if (name[0] == 1 && name[1] == '*') drafts_[parent].wildcard = number;
    }
    drafts_.push_back(draft);
    if (drafts_.size() * 4 > slots_.size() * 3) {
      slots_.assign(slots_.size() * 2, none);
      for (std::uint32_t i = 0; i < number; ++i) place(i);
    }
    place(number);
    return number;
  }

  std::vector<Draft> drafts_;
  std::vector<std::uint32_t> next_;   // per record: the next one of the same owner
  std::vector<std::uint32_t> slots_;  // open addressing, a power of two
};

// Where names stand in the rdata of the types whose rdata is compared with the case of names ignored (RFC
// 1035's own types and their kin: RFC 3597, 7 and RFC 4034, 6.2).
struct NamesRow {
  std::uint16_t type;
  std::uint8_t octets_before;
  std::uint8_t names;
};
constexpr NamesRow names_in_rdata[] = {
    {2, 0, 1},  {3, 0, 1},  {4, 0, 1},  {5, 0, 1},  {6, 0, 2},  {7, 0, 1},
    {8, 0, 1},  {9, 0, 1},  {12, 0, 1}, {14, 0, 2}, {15, 2, 1}, {17, 0, 2},
    {18, 2, 1}, {21, 2, 1}, {26, 2, 2}, {33, 6, 1}, {36, 2, 1}, {39, 0, 1},
};

// How many of the first octets of the rdata are to be compared without regard to case, and from which on.
std::pair<std::size_t, std::size_t> case_range(RrType type, Bytes rdata) {
  const auto* row = std::ranges::find(names_in_rdata, static_cast<std::uint16_t>(type), &NamesRow::type);
  if (row == std::end(names_in_rdata)) return {0, 0};
  std::size_t at = row->octets_before;
  for (unsigned i = 0; i < row->names; ++i) {
    while (rdata[at] != 0) at += 1 + rdata[at];
    ++at;
  }
  return {row->octets_before, at};
}

// Orders rdata so that what is the same record stands together.
int compare_rdata(RrType type, Bytes a, Bytes b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  const auto [begin, end] = case_range(type, a);
  if (case_range(type, b) != std::pair{begin, end}) return std::memcmp(a.data(), b.data(), a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool fold = i >= begin && i < end;
    const int x = fold ? wire::lower(a[i]) : a[i], y = fold ? wire::lower(b[i]) : b[i];
    if (x != y) return x - y;
  }
  return 0;
}

std::string type_text(RrType type) {
  switch (type) {
    case RrType::a:
      return "A";
    case RrType::ns:
      return "NS";
    case RrType::cname:
      return "CNAME";
    case RrType::soa:
      return "SOA";
    case RrType::aaaa:
      return "AAAA";
    case RrType::mx:
      return "MX";
    case RrType::txt:
      return "TXT";
    case RrType::srv:
      return "SRV";
    case RrType::dname:
      return "DNAME";
    default:
      return fmt::format("TYPE{}", static_cast<unsigned>(type));
  }
}

// RFC 4035, 2.5: what DNSSEC and dynamic update put beside a CNAME.
bool may_stand_beside_cname(RrType type) {
  constexpr auto key = RrType{25};
  return type == RrType::rrsig || type == RrType::nsec || type == key;
}

}  // namespace

class Compiler {
 public:
  Compiler(const Records& records, const wire::Name& apex, std::span<const Steered> steered,
           ErrorList& errors)
      : records_(records),
        apex_(apex),
        steered_(steered),
        errors_(errors),
        tree_(apex, records.list.size()) {}

  std::shared_ptr<const Zone> run();

 private:
  using RecordList = std::span<const std::uint32_t>;

  void collect();
  void reserve();
  void compile_node(std::uint32_t number);
  RecordList sorted_records(const Draft& draft);
  void check_node(const Draft& draft, bool is_apex, RecordList list);
  void check_cname(const Draft& draft, RecordList list);
  void check_delegation(const Draft& draft, RecordList list);
  void check_steered(const Draft& draft, RecordList list);
  void check_cover(const Draft& draft);
  void set_cover(std::uint32_t number, RecordList list);
  void check_zone();
  void write_node(std::uint32_t number, RecordList list);
  Offset write_rrset(RecordList rrset);
  void write_references();
  void finish();

  const Record& record(std::uint32_t number) const { return records_.list[number]; }
  std::string owner_text(const Draft& draft) const { return wire::to_text(draft.name); }
  std::string place(std::uint32_t number) const;
  std::uint32_t find_type(RecordList list, RrType type) const;
  void report(std::uint32_t number, std::string message) {
    errors_.add(records_.files[record(number).file], record(number).at, std::move(message));
  }

  template <class T>
  void append(const T& value) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
    data_->block.insert(data_->block.end(), bytes, bytes + sizeof value);
  }
  void align() { data_->block.resize(padded(data_->block.size())); }

  const Records& records_;
  const wire::Name& apex_;
  std::span<const Steered> steered_;
  ErrorList& errors_;
  Tree tree_;
  std::unique_ptr<Zone::Data> data_ = std::make_unique<Zone::Data>();
  std::vector<std::uint32_t> sorted_;  // reused from node to node
  std::size_t largest_ = 0;            // size of the block, before it is known to fit
};

std::shared_ptr<const Zone> Compiler::run() {
  data_->apex_name = apex_;
  data_->apex_labels = apex_.label_count();
  collect();
  reserve();
  if (largest_ > block_size_max) {
    errors_.add(records_.files[0], {}, "the zone is larger than 4 GiB in its compiled form");
    return nullptr;
  }
  for (std::uint32_t i = 0; i < tree_.drafts().size(); ++i) compile_node(i);
  check_zone();
  if (!errors_.empty()) return nullptr;
  write_references();
  finish();
  return std::shared_ptr<const Zone>(new Zone(std::move(data_)));
}

void Compiler::collect() {
  auto before = none;
  for (std::uint32_t i = 0; i < records_.list.size(); ++i) {
    const bool same_owner = i != 0 && record(i).owner == record(i - 1).owner;
    const auto draft = same_owner ? before : tree_.intern(records_.owner(record(i)));
    before = draft;
    if (draft == none) {
      report(i, fmt::format("'{}' is outside the zone '{}'", wire::to_text(records_.owner(record(i))),
                            apex_.text()));
    } else {
      tree_.chain(draft, i);
    }
  }
  for (const auto& [name, id, to_hosts] : steered_) {
    const auto draft = tree_.intern(name.wire());
    if (draft == none) continue;
    tree_.drafts()[draft].steer = id;
    tree_.drafts()[draft].to_hosts = to_hosts;
  }
}

// Finds how large the block can get at most, so that it is allocated once.
void Compiler::reserve() {
  constexpr std::size_t slots_per_3_names = 5;
  const auto& drafts = tree_.drafts();
  data_->slot_count = drafts.size() * slots_per_3_names / 3 + 2;
  largest_ = data_->slot_count * sizeof(Slot) + records_.rdata.size() +
             records_.list.size() * (sizeof(RrsetEntry) + 2);
  for (const auto& draft : drafts) largest_ += sizeof(Node) + padded(draft.name.size()) + 3;
  if (largest_ > block_size_max) return;
  data_->block.reserve(largest_);
  data_->block.resize(data_->slot_count * sizeof(Slot));
}

void Compiler::compile_node(std::uint32_t number) {
  auto& draft = tree_.drafts()[number];
  const auto list = sorted_records(draft);
  check_node(draft, number == 0, list);
  set_cover(number, list);
  if (errors_.empty()) write_node(number, list);
}

// The node's records by type, and in the order of the file within a type; each only once (RFC 2181, 5).
Compiler::RecordList Compiler::sorted_records(const Draft& draft) {
  sorted_.clear();
  for (auto i = draft.first; i != none; i = tree_.next(i)) sorted_.push_back(i);
  if (sorted_.size() <= 1) return sorted_;
  const auto order = [&](std::uint32_t a, std::uint32_t b) {
    if (record(a).type != record(b).type) return record(a).type < record(b).type ? -1 : 1;
    return compare_rdata(record(a).type, records_.data(record(a)), records_.data(record(b)));
  };
  std::ranges::sort(sorted_, [&](auto a, auto b) {
    const auto difference = order(a, b);
    // Of what repeats, the one with the least TTL stays (RFC 2181, 5.2).
    return difference != 0 ? difference < 0 : std::pair(record(a).ttl, a) < std::pair(record(b).ttl, b);
  });
  // A SOA that is there twice is a mistake even when both are alike: the next edit will change one of them.
  const auto repeated = [&](auto a, auto b) { return record(a).type != RrType::soa && order(a, b) == 0; };
  sorted_.erase(std::unique(sorted_.begin(), sorted_.end(), repeated), sorted_.end());
  std::ranges::sort(
      sorted_, [&](auto a, auto b) { return std::pair(record(a).type, a) < std::pair(record(b).type, b); });
  return sorted_;
}

std::string Compiler::place(std::uint32_t number) const {
  return fmt::format("{}:{}", records_.files[record(number).file], record(number).at.line);
}

// The first record of that type, or `none`.
std::uint32_t Compiler::find_type(RecordList list, RrType type) const {
  const auto found = std::ranges::find(list, type, [&](auto i) { return record(i).type; });
  return found == list.end() ? none : *found;
}

void Compiler::check_node(const Draft& draft, bool is_apex, RecordList list) {
  unsigned soa_count = 0;
  std::uint32_t of_type = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    of_type = i != 0 && record(list[i]).type == record(list[i - 1]).type ? of_type + 1 : 1;
    if (of_type == rrset_records_max + 1)
      report(list[i], fmt::format("more than {} records of one name and type", rrset_records_max));
    if (record(list[i]).type != RrType::soa) continue;
    if (!is_apex) {
      report(list[i], fmt::format("a SOA record at '{}': it belongs at the zone's apex, '{}' (RFC 1035, 5.2)",
                                  owner_text(draft), apex_.text()));
    } else if (++soa_count > 1) {
      report(list[i],
             fmt::format("a second SOA record: the zone has one at {} (RFC 1035, 5.2)", place(list[0])));
    }
  }
  check_cname(draft, list);
  if (!is_apex) check_delegation(draft, list);
  if (const auto ds = find_type(list, RrType::ds); is_apex && ds != none)
    report(ds, "DS at the zone's apex: it belongs in the zone above (RFC 4035, 2.4)");
  if (draft.steer != not_steered) check_steered(draft, list);
  if (!is_apex) check_cover(draft);
}

void Compiler::check_cname(const Draft& draft, RecordList list) {
  for (const auto type : {RrType::cname, RrType::dname}) {
    const auto first = find_type(list, type);
    if (first == none) continue;
    for (const auto i : list)
      if (record(i).type == type && i != first)
        report(i,
               fmt::format("a second {} at '{}': the first is at {} ({})", type_text(type), owner_text(draft),
                           place(first), type == RrType::cname ? "RFC 2181, 10.1" : "RFC 6672, 2.4"));
  }
  const auto cname = find_type(list, RrType::cname);
  if (cname == none) return;
  const auto other = std::ranges::find_if(list, [&](auto i) {
    return record(i).type != RrType::cname && !may_stand_beside_cname(record(i).type);
  });
  if (other == list.end()) return;
  // The one that came later is the one to look at.
  const auto later = std::max(cname, *other), earlier = std::min(cname, *other);
  report(
      later,
      fmt::format("a CNAME beside other data at '{}': expected no {}, as there is {} at {} (RFC 1034, 3.6.2)",
                  owner_text(draft), type_text(record(later).type), type_text(record(earlier).type),
                  place(earlier)));
}

void Compiler::check_delegation(const Draft& draft, RecordList list) {
  const auto ns = find_type(list, RrType::ns);
  if (ns == none) return;
  if (draft.name[0] == 1 && draft.name[1] == '*')
    report(ns, fmt::format("NS at the wildcard '{}': a wildcard cannot be delegated (RFC 4592, 4.2)",
                           owner_text(draft)));
  if (const auto dname = find_type(list, RrType::dname); dname != none)
    report(std::max(ns, dname),
           fmt::format("NS and DNAME at '{}': expected one of them (RFC 6672, 2.3)", owner_text(draft)));
}

void Compiler::check_steered(const Draft& draft, RecordList list) {
  for (const auto i : list) {
    const auto type = record(i).type;
    if (draft.to_hosts) {
      report(i, fmt::format("'{}' is steered to host names: its answer is a CNAME, which stands alone, take "
                            "this {} record out (RFC 1034, 3.6.2)",
                            owner_text(draft), type_text(type)));
      continue;
    }
    if (type == RrType::a || type == RrType::aaaa)
      report(i, fmt::format("'{}' is steered: its {} records come from [steer], take this one out",
                            owner_text(draft), type_text(type)));
    if (type == RrType::cname || type == RrType::dname)
      report(i,
             fmt::format(
                 "'{}' is steered: its addresses come from [steer], so there can be no {} here, take it out",
                 owner_text(draft), type_text(type)));
    if (type == RrType::ns && &draft != &tree_.drafts()[0])
      report(i, fmt::format("'{}' is steered: it cannot be delegated, too", owner_text(draft)));
  }
}

// What stands above this name and takes its queries.
void Compiler::check_cover(const Draft& draft) {
  const auto above = tree_.drafts()[draft.parent].cover;
  if (above == none) return;
  const auto& cover = tree_.drafts()[above];
  if (draft.steer != not_steered)
    report(cover.cover_record,
           fmt::format("the steered name '{}' is below this {}, so that it would never be asked for",
                       owner_text(draft), cover.is_cut ? "zone cut" : "DNAME"));
  if (!cover.is_cut && draft.first != none)
    report(draft.first,
           fmt::format("'{}' is below the DNAME of '{}' at {}: expected no names there (RFC 6672, 2.4)",
                       owner_text(draft), owner_text(cover), place(cover.cover_record)));
}

void Compiler::set_cover(std::uint32_t number, RecordList list) {
  auto& draft = tree_.drafts()[number];
  if (number != 0) draft.cover = tree_.drafts()[draft.parent].cover;
  if (draft.cover != none) return;
  const auto ns = number == 0 ? none : find_type(list, RrType::ns);
  const auto dname = find_type(list, RrType::dname);
  if (ns == none && dname == none) return;
  draft.cover = number;
  draft.is_cut = ns != none;
  draft.cover_record = ns != none ? ns : dname;
}

void Compiler::check_zone() {
  bool soa = records_.lost_soa, ns = records_.lost_ns;
  for (auto i = tree_.drafts()[0].first; i != none; i = tree_.next(i)) {
    soa |= record(i).type == RrType::soa;
    ns |= record(i).type == RrType::ns;
  }
  if (!soa)
    errors_.add(records_.files[0], {},
                fmt::format("the zone '{}' has no SOA record: expected one at its apex (RFC 1035, 5.2)",
                            apex_.text()));
  if (!ns)
    errors_.add(
        records_.files[0], {},
        fmt::format("the zone '{}' has no NS record: expected at least one at its apex (RFC 1034, 4.2.1)",
                    apex_.text()));
}

// References between nodes are filled in later: not all offsets are known yet.
void Compiler::write_node(std::uint32_t number, RecordList list) {
  auto& draft = tree_.drafts()[number];
  auto& block = data_->block;
  Node node{};
  node.steer = draft.steer;
  node.name_size = static_cast<std::uint8_t>(draft.name.size());
  node.label_count = draft.label_count;
  node.flags = draft.is_cut ? Node::is_cut : 0;
  for (std::size_t i = 0; i < list.size(); ++i)
    if (i == 0 || record(list[i]).type != record(list[i - 1]).type) ++node.rrset_count;
  draft.offset = static_cast<Offset>(block.size());
  append(node);
  block.insert(block.end(), draft.name.begin(), draft.name.end());
  align();
  auto entry_at = block.size();
  block.resize(entry_at + node.rrset_count * sizeof(RrsetEntry));
  for (std::size_t begin = 0, end = 0; begin < list.size(); begin = end) {
    auto ttl = record(list[begin]).ttl;
    // RFC 2181, 5.2: the TTLs of an RRset are to be one; the least is the safe one.
    for (end = begin; end < list.size() && record(list[end]).type == record(list[begin]).type; ++end)
      ttl = std::min(ttl, record(list[end]).ttl);
    const RrsetEntry entry{static_cast<std::uint16_t>(record(list[begin]).type),
                           static_cast<std::uint16_t>(end - begin), ttl,
                           write_rrset(list.subspan(begin, end - begin))};
    std::memcpy(block.data() + entry_at, &entry, sizeof entry);
    entry_at += sizeof entry;
  }
  align();
  data_->name_count += !list.empty() || draft.steer != not_steered;
  data_->record_count += list.size();
}

Offset Compiler::write_rrset(RecordList rrset) {
  auto& block = data_->block;
  const auto start = static_cast<Offset>(block.size());
  for (const auto i : rrset) {
    const auto rdata = records_.data(record(i));
    block.push_back(static_cast<std::uint8_t>(rdata.size() >> 8));
    block.push_back(static_cast<std::uint8_t>(rdata.size()));
    block.insert(block.end(), rdata.begin(), rdata.end());
  }
  return start;
}

void Compiler::write_references() {
  const auto& drafts = tree_.drafts();
  const auto offset = [&](std::uint32_t number) { return number == none ? nowhere : drafts[number].offset; };
  auto* slots = reinterpret_cast<Slot*>(data_->block.data());
  for (const auto& draft : drafts) {
    auto* node = reinterpret_cast<Node*>(data_->block.data() + draft.offset);
    node->wildcard = offset(draft.wildcard);
    node->cover = offset(draft.cover);
    auto i = home_slot(draft.hash, data_->slot_count);
    while (slots[i].node != nowhere) i = i + 1 == data_->slot_count ? 0 : i + 1;
    slots[i] = {hash_tag(draft.hash), draft.offset};
  }
}

// What is asked of the apex with every negative answer and referral.
void Compiler::finish() {
  const Node& apex = *data_->node(data_->first_node());
  const auto* entry = reinterpret_cast<const RrsetEntry*>(apex.name() + padded(apex.name_size));
  for (unsigned i = 0; i < apex.rrset_count; ++i) {
    if (entry[i].type == static_cast<std::uint16_t>(RrType::soa)) data_->soa = data_->rrset(entry[i]);
    if (entry[i].type == static_cast<std::uint16_t>(RrType::ns)) data_->apex_ns = data_->rrset(entry[i]);
  }
  // RFC 1035, 3.3.13: SERIAL, REFRESH, RETRY, EXPIRE and MINIMUM end the rdata.
  const auto numbers = data_->soa.first().last(20);
  const auto read32 = [&](std::size_t at) {
    return std::uint32_t{numbers[at]} << 24 | std::uint32_t{numbers[at + 1]} << 16 |
           std::uint32_t{numbers[at + 2]} << 8 | numbers[at + 3];
  };
  data_->serial = read32(0);
  data_->negative_ttl = std::min(data_->soa.ttl(), read32(16));
}

std::shared_ptr<const Zone> compile(const Records& records, const wire::Name& apex,
                                    std::span<const Steered> steered, ErrorList& errors) {
  return Compiler(records, apex, steered, errors).run();
}

}  // namespace sluice::zone
