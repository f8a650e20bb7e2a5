// Makes what the director has decided visible to the answering threads: a whole snapshot after a load, single
// tables and views of the steer block after that.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "answer/answer.hpp"
#include "base/counters.hpp"
#include "base/published.hpp"
#include "base/quiescence.hpp"
#include "control/alarm.hpp"
#include "control/answer_book.hpp"
#include "control/model.hpp"
#include "steer/block.hpp"

namespace sluice::control {

// Not thread-safe: the control thread's. Destroyed when `executor` runs no more, or after stop(). References
// outlive it.
class Publisher {
 public:
  Publisher(const boost::asio::any_io_executor& executor, const Model& model, zone::ZoneSet zones,
            const HashKey& sticky_key, Published<answer::Snapshot>& published, Quiescence& quiescence,
            const Counters& counters);

  // False until the first publish_everything().
  bool has_published() const { return block_ != nullptr; }

  // Publishes a new snapshot. Throws std::bad_alloc.
  void publish_everything();

  // Publishes the same names and zones once more, with the policy that was set last.
  void publish_policy();

  // What replies are like from the next publication on.
  void set_policy(answer::Policy policy) { policy_ = std::move(policy); }
  void replace_zones(zone::ZoneSet zones) { zones_ = std::move(zones); }
  const zone::ZoneSet& zones() const { return zones_; }

  // Nothing before the first publish_everything(). Its preview name goes with it.
  void publish_steer(const config::Steer& steer);
  void publish_pool(const config::Pool& pool);
  // When its TTL is to be another by now. What was answered goes on being counted.
  void publish_ttl(const config::Steer& steer);

  // What was handed out.
  AnswerBook& answers() { return answers_; }

  // Only after the first publish_everything().
  const steer::Block& block() const { return *block_; }
  const HashKey& sticky_key() const { return sticky_key_; }

  void stop();

 private:
  bool fill(steer::Block& block);
  std::shared_ptr<steer::Block> build_block();
  steer::SteerInput steer_input(const config::Steer& steer);
  void note_pool(const std::string& pool, const std::vector<steer::Candidate>& candidates,
                 const steer::PoolRules& rules);
  void note_everything(Time from);
  void publish_snapshot();
  void publish_table(const config::Steer& steer);
  void release_replaced();

  const Model& model_;
  zone::ZoneSet zones_;
  answer::Policy policy_;
  HashKey sticky_key_;
  Published<answer::Snapshot>& published_;
  Quiescence& quiescence_;
  AnswerBook answers_;

  std::shared_ptr<steer::Block> block_;
  std::unordered_map<wire::Name, steer::Offset, wire::NameHash> entries_;  // of the names in the block
  std::shared_ptr<steer::PairTable> pairs_ = std::make_shared<steer::PairTable>();
  std::vector<std::shared_ptr<const answer::Snapshot>> replaced_;  // until no worker uses them
  SteadyAlarm release_alarm_;
};

tsig::Keyring keyring(const config::Config& config);

// For load(): the numbers that a block gives to the steered names of this config.
std::vector<zone::SteerId> block_steer_ids(const config::Config& config);

}  // namespace sluice::control
