// What has been read from master files and waits to be compiled: records as numbers into a few big arrays, so
// that a million of them cost a handful of allocations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "wire/name.hpp"
#include "wire/types.hpp"

namespace sluice::zone {

struct Record {
  std::size_t owner;  // offset of its wire form in Records::names
  std::size_t rdata;  // offset in Records::rdata
  std::uint32_t ttl;
  wire::RrType type;
  std::uint16_t rdata_size;
  std::uint8_t owner_size;
  std::uint32_t file;  // index into Records::files
  Position at;
};

struct Records {
  std::vector<std::uint8_t> names;  // owners in lower case; a run of records shares one
  std::vector<std::uint8_t> rdata;
  std::vector<Record> list;  // in the order of the file
  std::vector<std::string> files;

  // Set when an entry that could not be read was, or may have been, a SOA or an NS record: that there is none
  // left is then no news.
  bool lost_soa = false;
  bool lost_ns = false;

  wire::Bytes owner(const Record& record) const { return {names.data() + record.owner, record.owner_size}; }
  wire::Bytes data(const Record& record) const { return {rdata.data() + record.rdata, record.rdata_size}; }
};

// Errors, up to a limit: a file that is no master file at all should not fill the screen.
class ErrorList {
 public:
  static constexpr std::size_t errors_max = 1000;

  void add(std::string file, Position at, std::string message) {
    if (errors_.size() == errors_max)
      errors_.push_back({std::move(file), at, "too many errors: the rest is not shown"});
    if (errors_.size() < errors_max) errors_.push_back({std::move(file), at, std::move(message)});
  }
  bool empty() const { return errors_.empty(); }
  std::size_t count() const { return errors_.size(); }
  Diagnostics take() { return std::move(errors_); }

 private:
  Diagnostics errors_;
};

}  // namespace sluice::zone
