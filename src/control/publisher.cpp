#include "control/publisher.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <set>

#include "control/kept_ttls.hpp"
#include "control/planned.hpp"
#include "control/present.hpp"
#include "control/routes.hpp"
#include "steer/choose.hpp"

namespace sluice::control {
namespace {

// How often replaced snapshots are looked at; an idle worker lets go of its own within a second.
constexpr auto release_interval = std::chrono::seconds(1);

// A pool without an endpoint, and with a name that no other has: its slots' answers are empty.
constexpr auto nowhere = "";

std::uint32_t whole_seconds(Duration duration) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

// The names that other servers may answer for, from a copy of the zone.
std::set<wire::Name> transferred_names(const config::Config& config) {
  std::set<wire::Name> names;
  const auto is_transferred = [](const config::Zone& zone) { return !zone.transfer.empty(); };
  if (std::none_of(config.zones.begin(), config.zones.end(), is_transferred)) return names;
  for (const auto& steer : config.steers)
    if (const auto* zone = config.zone_of(steer.name); zone != nullptr && is_transferred(*zone))
      names.insert(steer.name);
  return names;
}

}  // namespace

Publisher::Publisher(const boost::asio::any_io_executor& executor, const Model& model, zone::ZoneSet zones,
                     const HashKey& sticky_key, Published<answer::Snapshot>& published,
                     Quiescence& quiescence, const Counters& counters)
    : model_(model),
      zones_(std::move(zones)),
      sticky_key_(sticky_key),
      published_(published),
      quiescence_(quiescence),
      answers_(counters, quiescence,
               {.of_name = [this](const wire::Name& name,
                                  Time started) { return inherited_lease(model_, name, started); },
                .of_any_name = [this](Time started) { return inherited_lease(model_, started); }}),
      release_alarm_(executor, [this] { release_replaced(); }) {}

void Publisher::publish_everything() {
  const auto from = answers_.about_to_publish();
  block_ = build_block();
  publish_snapshot();
  note_everything(from);
}

void Publisher::publish_policy() {
  if (has_published()) publish_snapshot();
}

void Publisher::publish_snapshot() {
  auto snapshot = std::make_shared<answer::Snapshot>();
  snapshot->zones = zones_;
  snapshot->block = block_;
  snapshot->sticky_key = sticky_key_;
  snapshot->pairs = pairs_;
  snapshot->policy = policy_;
  snapshot->keys = keyring(model_.config());
  // load() gives the zones in the order of the config.
  for (std::size_t i = 0; i < zones_.zones().size(); ++i)
    if (const auto& rules = model_.config().zones[i].transfer; !rules.empty())
      snapshot->transfers[zones_.zones()[i].get()] = rules;
  if (auto old = published_.load()) replaced_.push_back(std::move(old));
  published_.publish(std::move(snapshot));
  release_replaced();
}

void Publisher::publish_ttl(const config::Steer& steer) {
  if (!block_) return;
  const auto* entry = block_->find(steer.name.wire());
  if (entry == nullptr) return;  // of a config that is not published yet
  const auto published = block_->at<steer::Table>(entry->table.load(std::memory_order_seq_cst))->ttl;
  if (published != whole_seconds(ttl_at(model_, steer, wall_now()))) publish_table(steer);
}

void Publisher::publish_table(const config::Steer& steer) {
  const auto from = answers_.about_to_publish();
  const auto input = steer_input(steer);
  if (!block_->publish_table(entries_.at(steer.name), input)) return publish_everything();
  answers_.ttl_published(steer.name, std::chrono::seconds(input.ttl), from);
}

void Publisher::publish_steer(const config::Steer& steer) {
  if (!block_) return;
  publish_table(steer);
  answers_.weights_published(steer.name);
  if (const auto* preview = model_.config().find_preview(steer)) publish_steer(*preview);
}

void Publisher::publish_pool(const config::Pool& pool) {
  if (!block_) return;
  const auto candidates = model_.candidates(pool);
  const auto rules = model_.pool_rules(pool);
  if (!block_->publish_pool(pool.name, candidates, rules)) return publish_everything();
  note_pool(pool.name, candidates, rules);
}

void Publisher::note_pool(const std::string& pool, const std::vector<steer::Candidate>& candidates,
                          const steer::PoolRules& rules) {
  std::set<wire::Destination> in_answers, spare;
  for (const Family family : {Family::v4, Family::v6}) {
    const auto members = steer::of_family(candidates, family);
    if (members.empty()) continue;
    const auto selection = steer::select(members, rules);
    const bool answers = selection.grade == steer::Grade::alive || selection.keeps_share;
    for (std::size_t i = 0; i < members.size(); ++i)
      if (selection.chosen[i] > 0) (answers ? in_answers : spare).insert(members[i].destination);
  }
  answers_.pool_published(pool, std::move(in_answers), std::move(spare));
}

void Publisher::note_everything(Time from) {
  const auto& config = model_.config();
  answers_.set_transferred(transferred_names(config));
  for (const auto& steer : config.steers) {
    const auto table = block_->at<steer::NameEntry>(entries_.at(steer.name))->table.load();
    answers_.ttl_published(steer.name, std::chrono::seconds(block_->at<steer::Table>(table)->ttl), from);
  }
  for (const auto& pool : config.pools)
    note_pool(pool.name, model_.candidates(pool), model_.pool_rules(pool));
  for (const auto& pool : answers_.pools())
    if (config.find_pool(pool) == nullptr) answers_.pool_published(pool, {});
}

void Publisher::stop() { release_alarm_.clear(); }

bool Publisher::fill(steer::Block& block) {
  const auto& config = model_.config();
  entries_.clear();
  for (const auto& steer : config.steers) entries_[steer.name] = block.add_name(steer.name);
  for (const auto& one : config.classes) block.add_class(one.name, one.prefixes);
  if (!block.publish_pool(nowhere, {})) return false;
  for (const auto& pool : config.pools)
    if (!block.publish_pool(pool.name, model_.candidates(pool), model_.pool_rules(pool))) return false;
  return std::all_of(config.steers.begin(), config.steers.end(), [&](const config::Steer& steer) {
    return block.publish_table(entries_.at(steer.name), steer_input(steer));
  });
}

// Pools of thousands of endpoints with many answers each can need more than is usual.
std::shared_ptr<steer::Block> Publisher::build_block() {
  const auto names = model_.config().steers.size();
  for (auto capacity = steer::usual_capacity(names); capacity <= steer::capacity_max; capacity *= 2) {
    auto block = std::make_shared<steer::Block>(quiescence_, names, capacity);
    // Half is left for what changes while readers still hold the old.
    if (fill(*block) && block->used_bytes() <= capacity / 2) return block;
  }
  throw std::bad_alloc();
}

steer::SteerInput Publisher::steer_input(const config::Steer& steer) {
  steer::SteerInput input;
  input.name = steer.name;
  input.layout = model_.layout(steer);
  const auto pools = unrated(model_.config(), steer, input.layout);
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const auto& name = steer.pools[i].pool;
    input.pools.push_back({name, answers_.counter(steer.name, name), pools[i].cap, pools[i].standby});
  }
  if (input.layout.front().pool == steer::no_pool) {
    input.layout.front().pool = static_cast<std::uint16_t>(input.pools.size());
    input.pools.push_back({nowhere, steer::no_counter, 1, 0});
  }
  for (const auto& route : routes_in_force(model_, steer))
    input.routes.push_back(
        {route.client_class, route.pool, answers_.counter(steer.name, route.pool, route.client_class)});
  input.ttl = whole_seconds(ttl_at(model_, steer, wall_now()));
  input.ttl_min = whole_seconds(steer.ttl_min);
  input.answers = steer.answers;
  input.method = steer.method;
  input.subnet_v4 = steer.subnet_v4;
  input.subnet_v6 = steer.subnet_v6;
  return input;
}

// A big zone takes its time to be freed: that is done here and not by the worker that happens to let go of it
// last.
void Publisher::release_replaced() {
  std::erase_if(replaced_, [](const auto& snapshot) { return snapshot.use_count() == 1; });
  if (replaced_.empty()) return;
  release_alarm_.set_after(release_interval);
}

tsig::Keyring keyring(const config::Config& config) {
  std::vector<tsig::Key> keys;
  for (const auto& key : config.keys) keys.emplace_back(key.name, key.algorithm, key.secret);
  return tsig::Keyring(std::move(keys));
}

// Offsets depend on the names and their order alone, so that a block built later gives the same ones.
std::vector<zone::SteerId> block_steer_ids(const config::Config& config) {
  Quiescence quiescence;
  steer::Block block(quiescence, config.steers.size(), steer::usual_capacity(config.steers.size()));
  std::vector<zone::SteerId> ids;
  for (const auto& steer : config.steers) ids.push_back(block.add_name(steer.name));
  return ids;
}

}  // namespace sluice::control
