#include "control/explain.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "answer/answer.hpp"
#include "control/arguments.hpp"
#include "control/planned.hpp"
#include "control/present.hpp"
#include "control/routes.hpp"
#include "steer/choose.hpp"

namespace sluice::control {
namespace {

namespace json = boost::json;
using wire::RrType;

// --- the question ---

struct Question {
  wire::Name name;
  Family family = Family::v4;
  std::optional<Prefix> client;
  bool is_subnet = false;  // the client is the prefix of a Client Subnet, not an address
};

const char* type_text(Family family) { return family == Family::v4 ? "A" : "AAAA"; }

Result<Family> read_family(std::string text) {
  for (auto& c : text) c = static_cast<char>(wire::lower(static_cast<std::uint8_t>(c)));
  if (text.empty() || text == "a") return Family::v4;
  if (text == "aaaa") return Family::v6;
  return Error{ErrorCode::invalid,
               "'type' has to be A or AAAA: what is steered are addresses, and hosts with all "
               "of their types"};
}

Result<Question> read_question(const Request& request) {
  const auto name = wire::Name::parse(text_argument(request, "name"));
  if (!name) return name.error();
  const auto family = read_family(text_argument(request, "type"));
  if (!family) return family.error();
  Question question{*name, *family, {}, false};
  const auto client = text_argument(request, "client");
  if (client.empty()) return question;
  const auto prefix = parse_prefix(client);
  if (!prefix) return prefix.error();
  question.client = *prefix;
  question.is_subnet = client.find('/') != std::string::npos;
  return question;
}

json::value client_text(const Question& question) {
  if (!question.client) return nullptr;
  return json::value(question.is_subnet ? to_text(*question.client) : to_text(question.client->address));
}

// --- the way to a steered name, or to what else there is ---

// A chain of CNAMEs longer than this is cut off (answer::chain_max).
constexpr unsigned links_max = answer::chain_max;

struct Found {
  const config::Steer* steer = nullptr;  // null: `what` says what there is
  bool wildcard = false;
  std::vector<std::string> via;  // where CNAMEs have led to, the last one being looked at
  std::string zone;              // empty: none of ours
  const char* kind = "plain";
  std::string what;
};

std::string records_text(const zone::Rrset& rrset, Family family) {
  return fmt::format("{} {} record{} of the zone file, TTL {}s", rrset.count(), type_text(family),
                     rrset.count() == 1 ? "" : "s", rrset.ttl());
}

// One step; the name to go on with, when it led to a CNAME.
std::optional<wire::Name> look(const Model& model, const zone::ZoneSet& zones, const wire::Name& name,
                               Family family, Found& found) {
  wire::LookupName looked_up;
  looked_up.assign(name.wire());
  const auto* zone = zones.find(looked_up);
  found.zone = zone == nullptr ? "" : zone->apex().text();
  found.wildcard = false;
  if ((found.steer = model.config().find_steer(name)) != nullptr) return {};
  const auto end = [&](const char* kind, std::string what) {
    found.kind = kind;
    found.what = std::move(what);
    return std::nullopt;
  };
  if (zone == nullptr)
    return end("elsewhere", found.via.empty() ? "no zone of ours has this name: the answer is REFUSED"
                                              : "it leads out of our zones: the resolver goes on by itself");
  const auto type = family == Family::v4 ? RrType::a : RrType::aaaa;
  const auto match = zone->find(looked_up, type);
  found.wildcard = match.wildcard;
  switch (match.outcome) {
    case zone::Outcome::delegation:
      return end("delegated", "it is delegated to other servers: the answer is a referral");
    case zone::Outcome::dname:
      return end("plain", "a DNAME above it makes a CNAME of it");
    case zone::Outcome::no_name:
      return end("missing", "there is no such name: the answer is NXDOMAIN");
    case zone::Outcome::name:
      break;
  }
  if (zone->steer(*match.node) != zone::not_steered) {
    if (const auto wildcard = wire::Name::from_wire(zone->name(*match.node)))
      found.steer = model.config().find_steer(*wildcard);
    if (found.steer != nullptr) return {};
  }
  if (const auto rrset = zone->rrset(*match.node, type)) return end("plain", records_text(rrset, family));
  const auto cname = zone->rrset(*match.node, RrType::cname);
  if (!cname) return end("plain", fmt::format("it has no {} record: the answer is empty", type_text(family)));
  wire::LookupName target;  // in lower case
  target.assign(cname.first());
  const auto next = wire::Name::from_wire(target.wire());
  return next ? std::optional(*next) : std::nullopt;
}

Found find(const Model& model, const zone::ZoneSet& zones, const Question& question) {
  Found found;
  auto name = question.name;
  for (unsigned link = 0; link <= links_max; ++link) {
    const auto next = look(model, zones, name, question.family, found);
    if (!next) return found;
    found.via.push_back(next->text());
    name = *next;
  }
  found.kind = "plain";
  found.what = "a chain of CNAMEs that does not end";
  return found;
}

// --- what a steered name gives ---

const char* grade_text(std::optional<steer::Grade> grade) {
  if (!grade) return "no address of this family";
  switch (*grade) {
    case steer::Grade::alive:
      return "alive";
    case steer::Grade::dead:
      return "dead";
    case steer::Grade::taken_out:
      return "taken out";
  }
  return "";
}

// One steer in the eyes of one family.
struct View {
  const config::Steer& steer;
  const steer::Block& block;
  const steer::Table& table;
  Family family;
  steer::Layout layout;
  std::vector<steer::PoolInForce> pools;  // in the steer's order
  std::string planned;                    // the change towards which its TTL has fallen; empty: it has not
  std::vector<Routing> routes;            // in the order of the table's
  steer::Located client{};                // to the route of its class
};

std::string planned_text(const Model& model, const config::Steer& steer, Time now) {
  const auto planned = planned_change(model, steer, now);
  if (!planned || ttl_at(model, steer, now) == model.ttl(steer)) return "";
  return fmt::format("{} is planned for {}", planned->what, to_text(planned->at));
}

View view_of(const Model& model, const config::Steer& steer, const steer::Block& block,
             const Question& question, Time now) {
  const auto family = question.family;
  const auto* entry = block.find(steer.name.wire());
  const auto& table = *block.at<steer::Table>(entry->table.load(std::memory_order_seq_cst));
  View view{steer,
            block,
            table,
            family,
            model.layout(steer),
            {},
            planned_text(model, steer, now),
            routes_in_force(model, steer)};
  if (question.client)
    view.client = steer::route_of(block, table, question.client->address, question.client->length);
  const auto pools = rated(model, steer, family);
  for (const auto& pool : pools) view.pools.push_back({steer::no_counter, pool.grade, {}});
  // The table has those that may ever answer.
  unsigned place = 0;
  for (const auto i : steer::filling_order(pools))
    view.pools[i] = pool_in_force(block, table, place++, family);
  for (const auto& route : view.routes) {
    auto& pool = view.pools[steer.place_of(route.pool).value()];
    const auto of_route = pool_in_force(block, table, place++, family);
    if (pool.counter == steer::no_counter) pool = of_route;
  }
  return view;
}

std::optional<unsigned> pool_at(const steer::Layout& layout, std::uint16_t slot) {
  std::uint32_t end = 0;
  for (const auto& run : layout)
    if (slot < (end += run.length)) return run.pool;
  return {};
}

std::optional<std::uint16_t> first_slot(const steer::Layout& layout, unsigned pool) {
  std::uint32_t at = 0;
  for (const auto& run : layout) {
    if (run.pool == pool) return static_cast<std::uint16_t>(at);
    at += run.length;
  }
  return {};
}

std::string pool_of(const View& view, const steer::Choice& choice, steer::Route route) {
  if (choice.by_route) return view.routes[route].pool;
  for (std::size_t i = 0; i < view.pools.size(); ++i)
    if (view.pools[i].counter == choice.counter) return view.steer.pools[i].pool;
  return "";
}

std::uint32_t configured_ttl(const View& view) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(view.steer.ttl).count());
}

std::string ttl_rule(const View& view, std::uint32_t ttl, const std::string& pool) {
  if (ttl < view.table.ttl)
    return fmt::format("shorter than {}s: an endpoint of pool {} may be about to change", view.table.ttl,
                       pool);
  if (!view.planned.empty()) return fmt::format("{}; else {}s", view.planned, configured_ttl(view));
  if (ttl < configured_ttl(view)) return fmt::format("a rollout or rolling; else {}s", configured_ttl(view));
  return "the name's ttl";
}

// The TTL of answers from a pool; none while it has no slots or its answers come from others.
std::optional<std::uint32_t> ttl_of(const View& view, unsigned pool) {
  const auto slot = first_slot(view.layout, pool);
  if (!slot) return {};
  const auto choice = steer::choose(view.block, view.table, {*slot, 0, 0}, view.family);
  if (choice.answer == nullptr || choice.counter != view.pools[pool].counter) return {};
  return choice.ttl;
}

std::string record_text(const steer::InForce::Record& record) {
  if (record.type == RrType::cname) return wire::to_text(wire::Bytes(record.rdata));
  Address address;
  address.family = record.type == RrType::aaaa ? Family::v6 : Family::v4;
  std::copy(record.rdata.begin(), record.rdata.end(), address.octets.begin());
  return to_text(address);
}

// --- one client ---

// Null: the client is of no class that the name leads anywhere.
json::value class_json(const View& view, const Question& question) {
  const auto& found = view.client;
  if (found.target == steer::no_route) return nullptr;
  const auto& route = view.routes[found.target];
  const auto choice = steer::choose(view.block, view.table, {}, view.family, found.target);
  const Prefix prefix{masked(question.client->address, found.length), found.length};
  return {{"class", route.client_class}, {"prefix", to_text(prefix)},
          {"pool", route.pool},          {"open", choice.by_route},
          {"ttl_s", choice.ttl},         {"ttl_rule", ttl_rule(view, choice.ttl, route.pool)}};
}

// What a reply says of for whom it holds, too (RFC 7871, 7.2.1).
json::value scope_json(const View& view, const Question& question) {
  if (!question.is_subnet || question.client->length == 0) return nullptr;
  const auto& client = *question.client;
  unsigned scope = view.client.scope;
  const auto own = client.address.family == Family::v4 ? view.table.subnet_v4 : view.table.subnet_v6;
  if (view.steer.method == config::Method::sticky)
    scope = std::max<unsigned>(scope, std::min(client.length, own));
  return scope;
}

// What is hashed: an address as a whole, or as much of a subnet as the name tells apart (RFC 7871, 7.2.1).
std::pair<Address, std::string> hashed(const View& view, const Question& question) {
  const auto& client = *question.client;
  if (!question.is_subnet) return {client.address, fmt::format("the address {}", to_text(client.address))};
  const auto own = client.address.family == Family::v4 ? view.table.subnet_v4 : view.table.subnet_v6;
  const Prefix prefix{masked(client.address, std::min(client.length, own)), std::min(client.length, own)};
  return {prefix.address, fmt::format("the prefix {}", to_text(prefix))};
}

json::object slot_json(const View& view, const Question& question, const HashKey& key) {
  const auto [address, of] = hashed(view, question);
  const auto draw = steer::sticky_draw(key, address, view.table);
  const auto route = view.client.target;
  const auto choice = steer::choose(view.block, view.table, draw, view.family, route);
  const auto pool = pool_at(view.layout, draw.slot);
  const auto answered_by = pool_of(view, choice, route);
  json::array records;
  for (const auto& record : records_of(choice)) records.emplace_back(record_text(record));
  return {{"number", draw.slot},
          {"of", of},
          {"pool", pool ? json::value(view.steer.pools[*pool].pool) : json::value(nullptr)},
          {"pool_state", pool ? json::value(grade_text(view.pools[*pool].grade)) : json::value(nullptr)},
          {"answered_by", answered_by},
          {"last_resort", choice.last_resort},
          {"answer", std::move(records)},
          {"ttl_s", choice.ttl},
          {"ttl_rule", ttl_rule(view, choice.ttl, answered_by)}};
}

// --- endpoints ---

std::string text_member(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

// Why an endpoint is not handed out, from what the status says about it; `asked`: its pool has a share now.
std::string reason_against(const json::object& endpoint, const std::string& check, Family family,
                           bool asked) {
  const auto address = parse_address(text_member(endpoint, "address"));
  if (address && address->family != family)
    return address->family == Family::v4 ? "it has an IPv4 address" : "it has an IPv6 address";
  if (const auto* word = endpoint.at("word").if_object()) {
    const auto said = text_member(*word, "word"), reason = text_member(*word, "reason");
    if (said != "up")
      return fmt::format("{} by {}{}{}", said == "drain" ? "drained" : "held down", text_member(*word, "by"),
                         reason.empty() ? "" : ": ", reason);
  } else if (const auto health = text_member(endpoint, "health"); health == "unknown") {
    return fmt::format("no result of check {} yet", check);
  } else if (health != "up" && health != "degraded") {
    return fmt::format("{} by check {}", health, check);
  }
  if (endpoint.at("weight").to_number<double>() == 0) return "its weight is 0";
  return asked ? "others of its pool are better" : "its pool has no share now";
}

double share_in(const steer::PoolInForce& pool, const std::string& address) {
  for (const auto& part : pool.parts)
    if (record_text(part.record) == address) return part.share;
  return 0;
}

json::array endpoints_json(const json::object& pool_status, const steer::PoolInForce& pool, Family family,
                           bool asked) {
  json::array endpoints;
  for (const auto& shown : pool_status.at("endpoints").as_array()) {
    auto endpoint = shown.as_object();
    const double share = asked ? share_in(pool, text_member(endpoint, "address")) : 0;
    endpoint["pool_share"] = share;
    endpoint["why_not"] =
        share > 0 ? json::value(nullptr)
                  : json::value(reason_against(endpoint, text_member(pool_status, "check"), family, asked));
    endpoints.push_back(std::move(endpoint));
  }
  return endpoints;
}

const json::object* find_pool(const json::object& status, std::string_view name) {
  for (const auto& pool : status.at("pools").as_array())
    if (std::string_view(pool.at("pool").as_string()) == name) return &pool.as_object();
  return nullptr;
}

// Whether a pool is in answers: to all clients, or by a route to the one who asks; to any by one if that is
// not said.
bool is_asked(const View& view, const Question& question, unsigned pool, double share) {
  if (share > 0) return true;
  for (steer::Route route = 0; route < view.routes.size(); ++route) {
    const bool is_its = !question.client || view.client.target == route;
    if (is_its && view.routes[route].pool == view.steer.pools[pool].pool &&
        steer::choose(view.block, view.table, {}, view.family, route).by_route)
      return true;
  }
  return false;
}

json::array pools_json(const Model& model, const View& view, const Question& question,
                       const json::object& status, const std::vector<double>& now) {
  const auto weights = model.weights(view.steer);
  const auto set = steer::shares(view.layout, view.steer.pools.size());
  json::array pools;
  for (unsigned i = 0; i < view.steer.pools.size(); ++i) {
    const auto& name = view.steer.pools[i].pool;
    const auto* shown = find_pool(status, name);
    const auto ttl = ttl_of(view, i);
    const bool asked = is_asked(view, question, i, now[i]);
    pools.push_back(
        {{"pool", name},
         {"weight", weights[i]},
         {"set_share", set[i]},
         {"now_share", now[i]},
         {"state", grade_text(view.pools[i].grade)},
         {"ttl_s", ttl ? json::value(*ttl) : json::value(nullptr)},
         {"check", shown == nullptr ? json::value(nullptr) : shown->at("check")},
         {"endpoints",
          shown == nullptr ? json::array() : endpoints_json(*shown, view.pools[i], view.family, asked)}});
  }
  return pools;
}

// The least of what is answered now, and why.
void add_ttl(const View& view, const std::vector<double>& now, json::object& result) {
  std::uint32_t least = configured_ttl(view);
  std::string pool;
  for (unsigned i = 0; i < view.pools.size(); ++i) {
    const auto ttl = now[i] > 0 ? ttl_of(view, i) : std::nullopt;
    if (!ttl || *ttl >= least) continue;
    least = *ttl;
    pool = view.steer.pools[i].pool;
  }
  result["ttl_s"] = least;
  result["ttl_rule"] = ttl_rule(view, least, pool);
}

void add_steered(const Model& model, const Surroundings& around, const InAnswers& published,
                 const Question& question, const config::Steer& steer, json::object& result) {
  const auto view = view_of(model, steer, published.block, question, around.now);
  const auto whole = status(model, around, &steer.name);
  const auto now = present(model, steer, question.family);
  const bool sticky = steer.method == config::Method::sticky;
  result["steer"] = steer.name.text();
  result["method"] = whole.at("steers").at(0).at("method");
  result["answers"] = steer.answers;
  result["rule"] = now.rule;
  result["preview"] = whole.at("steers").at(0).at("preview");
  add_ttl(view, now.shares, result);
  result["classes"] = whole.at("steers").at(0).at("classes");
  if (question.client) {
    result["class"] = class_json(view, question);
    result["scope"] = scope_json(view, question);
  }
  const bool is_anybodys = view.layout.front().pool != steer::no_pool;
  if (sticky && question.client && is_anybodys)
    result["slot"] = slot_json(view, question, published.sticky_key);
  result["pools"] = pools_json(model, view, question, whole, now.shares);
  result["now"] = whole.at("now");
}

}  // namespace

Result<json::object> explain(const Model& model, const Surroundings& around, const InAnswers& published,
                             const Request& request) {
  const auto question = read_question(request);
  if (!question) return question.error();
  const auto found = find(model, *around.zones, *question);
  json::array via;
  for (const auto& name : found.via) via.emplace_back(name);
  json::object result{{"name", question->name.text()},
                      {"type", type_text(question->family)},
                      {"client", client_text(*question)},
                      {"kind", found.steer != nullptr ? "steered" : found.kind},
                      {"via", std::move(via)},
                      {"zone", found.zone.empty() ? json::value(nullptr) : json::value(found.zone)},
                      {"wildcard", found.wildcard},
                      {"text", found.what},
                      {"classes", json::array()},
                      {"class", nullptr},
                      {"scope", nullptr},
                      {"slot", nullptr},
                      {"preview", nullptr}};
  if (found.steer != nullptr) add_steered(model, around, published, *question, *found.steer, result);
  return result;
}

}  // namespace sluice::control
