// The socket file: made so that nobody else can connect even for a moment, never in place of something that
// is not a dead daemon's socket, and taken away only when it is still ours.
#pragma once

#include <string>

#include <sys/types.h>

#include "base/result.hpp"

namespace sluice::admin {

// Owns a listening Unix stream socket and its file. Not thread-safe.
class UnixListener {
 public:
  // Mode 0600 from the first moment. `refused` when the path is in use or is not a socket.
  static Result<UnixListener> open(const std::string& path);

  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();  // closes the descriptor unless it was released, and leaves the file

  // The listening descriptor is the caller's from now on.
  int release();

  // Removes the file if it is the one that open() made.
  void remove_file();

 private:
  UnixListener(std::string path, int descriptor);

  std::string path_;
  int descriptor_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace sluice::admin
