// The little of SQLite's C interface that the store needs, with owners for its handles. Private to this room.
//
//   Statement rows(database, "SELECT pool, weight FROM weights WHERE steer = ?", steer);
//   while (rows.next()) use(rows.text(0), rows.real(1));
//
// Failures are thrown as Failure; the store catches them at its border and returns them as a Result.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace sluice::store {

struct Failure {
  int code;            // SQLite's primary result code
  std::string reason;  // SQLite's words, and the system's where there are any
};

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

// Opens or creates the file. `path` must hold no symbolic link.
Database open_database(const std::string& path);

// One prepared statement with its values bound to the question marks in order. Borrows the database.
class Statement {
 public:
  template <class... Values>
  Statement(const Database& database, const char* sql, const Values&... values)
      : Statement(database.get(), sql) {
    int index = 0;
    (bind(++index, values), ...);
  }

  // Goes to the next row; false when there is none.
  bool next();

  // Columns of the present row, counted from 0.
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  std::optional<std::int64_t> optional_integer(int column) const;
  double real(int column) const { return sqlite3_column_double(statement_.get(), column); }
  std::string text(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  Statement(sqlite3* database, const char* sql);
  void bind(int index, std::int64_t value);
  void bind(int index, const std::optional<std::int64_t>& value);
  void bind(int index, double value);
  void bind(int index, std::string_view value);
  void bind(int index, std::span<const std::uint8_t> octets);
  void check(int code) const;

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// Runs a statement to its end; rows that it returns are dropped.
template <class... Values>
void execute(const Database& database, const char* sql, const Values&... values) {
  Statement statement(database, sql, values...);
  while (statement.next()) continue;
}

}  // namespace sluice::store
