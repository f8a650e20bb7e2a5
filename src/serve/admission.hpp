// Counts TCP connections and says whether one more may be served. No I/O.
//
//   if (auto place = admission.enter(client)) serve(std::move(*place));   // counts as long as `place` lives
#pragma once

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/address.hpp"

namespace sluice::serve {

class Admission {
 public:
  Admission(std::size_t total_max, std::size_t client_max) : total_max_(total_max), client_max_(client_max) {}

  // One admitted connection. The Admission outlives it.
  class Place {
   public:
    Place(Place&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)), client_(other.client_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (admission_ != nullptr) admission_->leave(client_);
    }

   private:
    friend class Admission;
    Place(Admission& admission, const Address& client) : admission_(&admission), client_(client) {}
    Admission* admission_;
    Address client_;
  };

  // Nothing when there are too many, in all or of this client.
  std::optional<Place> enter(const Address& client);

  // There are as many as there may be in all; and as many of this client.
  bool full() const { return total_ >= total_max_; }
  bool full_of(const Address& client) const;

 private:
  void leave(const Address& client);

  std::size_t total_max_, client_max_;
  std::size_t total_ = 0;
  std::unordered_map<Address, std::size_t, AddressHash> clients_;  // only those that have a connection
};

}  // namespace sluice::serve
