// Random zones against a naive lookup that follows the RFCs' text label by label, over a map.
#include <map>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::zone {
namespace {

using Labels = std::vector<std::string>;  // from the apex downwards, without the apex

std::string join(const Labels& labels) {
  std::string text;
  for (const auto& label : labels) text = label + "." + text;
  return text + "example";
}

struct Model {
  std::map<Labels, std::set<std::string>> types;  // empty non-terminals have none

  bool has(const Labels& name, const std::string& type) const {
    const auto found = types.find(name);
    return found != types.end() && found->second.contains(type);
  }

  // RFC 1034, 4.3.2, step 3, going down from the apex.
  std::string find(const Labels& query, bool ds) const {
    Labels at;
    for (;;) {
      const auto left = query.size() - at.size();
      if (!at.empty() && has(at, "NS") && !(ds && left == 0))
        return fmt::format("delegation {} {}", left, join(at));
      if (left == 0) return "name " + join(at);
      if (has(at, "DNAME")) return fmt::format("dname {} {}", left, join(at));
      auto next = at;
      next.push_back(query[at.size()]);
      if (!types.contains(next)) break;
      at = next;
    }
    const auto left = query.size() - at.size();
    auto wildcard = at;
    wildcard.push_back("*");
    if (types.contains(wildcard)) return fmt::format("wildcard {} {}", left, join(wildcard));
    return fmt::format("none {} {}", left, join(at));
  }
};

class Maker {
 public:
  explicit Maker(std::uint32_t seed) : random_(seed) {}

  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

  Labels labels(unsigned longest) {
    static const std::string words[] = {"a", "b", "c", "*"};
    Labels result(below(longest) + 1);
    for (auto& label : result) label = words[below(4)];
    return result;
  }

  // A zone that the loader accepts: random names, but none below a DNAME and no NS at a wildcard.
  Model model() {
    Model model;
    model.types[{}] = {"SOA", "NS"};
    if (below(20) == 0) model.types[{}].insert("DNAME");
    for (unsigned i = below(20); i != 0; --i) {
      const auto name = labels(4);
      const auto choice = below(8);
      if (is_below_dname(model, name)) continue;
      if (choice == 0 && name.back() != "*" && !model.has(name, "DNAME")) add(model, name, "NS");
      if (choice == 1 && !has_below(model, name) && !model.has(name, "NS")) add(model, name, "DNAME");
      if (choice == 2) add(model, name, "steer");
      if (choice > 2) add(model, name, "TXT");
    }
    drop_covered_steers(model);
    return model;
  }

 private:
  static void add(Model& model, Labels name, const std::string& type) {
    model.types[name].insert(type);
    for (; !name.empty(); name.pop_back()) model.types[name];
  }
  static bool is_below_dname(const Model& model, Labels name) {
    while (!name.empty()) {
      name.pop_back();
      if (model.has(name, "DNAME")) return true;
    }
    return false;
  }
  static bool has_below(const Model& model, const Labels& name) {
    const auto next = model.types.upper_bound(name);
    return next != model.types.end() && next->first.size() > name.size() &&
           std::equal(name.begin(), name.end(), next->first.begin());
  }
  // A steered name may not be below a cut, nor stand at one or at a DNAME: it becomes an ordinary one.
  static void drop_covered_steers(Model& model) {
    for (auto& [name, types] : model.types) {
      bool covered = types.contains("DNAME");
      for (auto at = name; !at.empty(); at.pop_back()) covered |= model.has(at, "NS");
      if (types.contains("steer") && covered) types.erase("steer"), types.insert("TXT");
    }
  }

  std::mt19937 random_;
};

std::shared_ptr<const Zone> make_zone_of(const Model& model, Maker& maker) {
  std::vector<std::string> lines;
  std::vector<Steered> steered;
  for (const auto& [name, types] : model.types) {
    for (const auto& type : types) {
      if (type == "steer") {
        steered.push_back({zone::name(join(name)), 7});
      } else if (type == "TXT" || !name.empty()) {
        lines.push_back(join(name) + ". 60 " + type + " x\n");
      } else if (type == "DNAME") {
        lines.push_back("@ 60 DNAME x.\n");
      }
    }
  }
  for (std::size_t i = lines.size(); i > 1; --i)
    std::swap(lines[i - 1], lines[maker.below(static_cast<unsigned>(i))]);
  std::string text;
  for (const auto& line : lines) text += line;
  return make_zone(text, steered);
}

std::string find(const Zone& zone, const std::string& query, bool ds) {
  const auto match = zone.find(lookup(query), ds ? wire::RrType::ds : wire::RrType::a);
  // The owner of the node: what of the query is behind labels_before, or the wildcard there.
  auto owner = query;
  for (unsigned i = 0; i < match.labels_before; ++i) owner = owner.substr(owner.find('.') + 1);
  if (match.wildcard) owner = "*." + owner;
  if (match.node != zone.exact(lookup(owner))) return "the node is not that of " + owner;
  switch (match.outcome) {
    case Outcome::name:
      return match.wildcard ? fmt::format("wildcard {} {}", match.labels_before, owner) : "name " + owner;
    case Outcome::delegation:
      return fmt::format("delegation {} {}", match.labels_before, owner);
    case Outcome::dname:
      return fmt::format("dname {} {}", match.labels_before, owner);
    case Outcome::no_name:
      return fmt::format("none {} {}", match.labels_before, owner);
  }
  return "?";
}

}  // namespace

TEST_CASE("random zones answer as the RFCs' text says") {
  Maker maker(20240229);
  std::map<std::string, unsigned> seen;
  unsigned wrong = 0;
  for (unsigned zones = 0; zones < 2000; ++zones) {
    const auto model = maker.model();
    const auto zone = make_zone_of(model, maker);
    for (unsigned queries = 0; queries < 25; ++queries) {
      const auto query = maker.labels(6);
      const bool ds = maker.below(4) == 0;
      const auto expected = model.find(query, ds);
      const auto found = find(*zone, join(query), ds);
      ++seen[expected.substr(0, expected.find(' '))];
      if (expected == found) continue;
      ++wrong;
      CHECK_MESSAGE(expected == found, join(query));
    }
    for (const auto& [name, types] : model.types) {
      const auto* node = zone->exact(lookup(join(name)));
      REQUIRE(node != nullptr);
      wrong += (zone->steer(*node) == 7) != types.contains("steer");
      wrong += static_cast<bool>(zone->rrset(*node, wire::RrType::txt)) != types.contains("TXT");
    }
  }
  CHECK(wrong == 0);
  for (const auto* outcome : {"name", "wildcard", "delegation", "dname", "none"}) CHECK(seen[outcome] > 1000);
}

}  // namespace sluice::zone
