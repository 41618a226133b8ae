#include "core/program.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>

#include "core/buffer_plan.h"
#include "core/error.h"
#include "core/threads.h"

namespace tilegrad {
namespace {

using Kind = ProgramSlot::Kind;

// Waits for a mutex without holding up the threads that the caller's long-call hooks let run.
std::unique_lock<std::mutex> locked(std::mutex& mutex) {
  std::unique_lock lock(mutex, std::try_to_lock);
  if (!lock) {
    const Released released(true);
    lock.lock();
  }
  return lock;
}

}  // namespace

void Program::find_uses() {
  for (ProgramSlot& slot : slots) slot.first = slot.last = -1, slot.is_written = slot.is_looked_at = false;
  for (size_t i = 0; i < items.size(); ++i) {
    const auto use = [&](int index, Access access) {
      if (index < 0) return;
      ProgramSlot& slot = slots[static_cast<size_t>(index)];
      if (slot.first < 0) slot.first = static_cast<int>(i);
      slot.last = static_cast<int>(i);
      slot.is_written |= access != Access::read;
    };
    for (int k = 0; k < items[i].operands; ++k) {
      const ProgramOperand& operand = operands[static_cast<size_t>(items[i].first_operand + k)];
      use(operand.slot, operand.access);
      // On a GPU the host looks at values when all has been launched.
      if (operand.slot >= 0 && !items[i].entry && device_.type == DeviceType::cuda) {
        slots[static_cast<size_t>(operand.slot)].is_looked_at = true;
      }
    }
    use(items[i].workspace, Access::write);
  }
  for (ProgramSlot& slot : slots) {
    if (slot.is_looked_at) slot.last = static_cast<int>(items.size()) - 1;
  }
}

void Program::plan() {
  find_uses();
  std::vector<Lifetime> lifetimes;
  std::vector<ProgramSlot*> owners;
  new_blocks_ = 0;
  for (ProgramSlot& slot : slots) {
    if (slot.kind == Kind::output) slot.number = new_blocks_++;
    if (slot.kind != Kind::temporary) continue;
    if (!slot.initial.empty()) {
      if (!slot.is_written) {
        slot.kind = Kind::constant;
        continue;
      }
      slot.first = 0;  // it is written before the first item
    }
    if (slot.first < 0) continue;
    lifetimes.push_back({slot.bytes, slot.first, slot.last, 0});
    owners.push_back(&slot);
  }
  block_bytes_ = plan_buffers(lifetimes);
  for (size_t i = 0; i < owners.size(); ++i) owners[i]->offset = lifetimes[i].offset;

  on_cuda_.reset();
  most_members_ = threads::count();
  data_.resize(operands.size());
  numel_.resize(operands.size());
  for (size_t i = 0; i < operands.size(); ++i) numel_[i] = operands[i].numel;
}

struct Program::Run {
  Program* program;
  const KernelTable* table;
  char* block;
  std::vector<std::unique_ptr<Barrier>> meetings;  // by the size of a part of the team
  bool failed = false;                             // written by the first member, read by others behind a barrier
  std::exception_ptr error;
  bool profiled = false;
};

void Program::region(void* context, const Team& team) {
  Run& run = *static_cast<Run*>(context);
  Program& program = *run.program;
  int before = 1;
  for (size_t i = 0; i < program.items.size(); ++i) {
    const ProgramItem& item = program.items[i];
    const int members = std::min(program.members_[i], team.size);
    if (members > 1 || before > 1) team.barrier();
    before = members;
    const int64_t start = run.profiled ? profile::now() : 0;
    if (team.rank < members && !run.failed) run_item(run, item, team, members);
    if (!run.profiled) continue;
    if (members > 1) team.barrier();  // the time is that of the slowest
    if (team.rank == 0) {
      profile::add(
          {item.name, item.dtype, item.scope, start, profile::now(), item.bytes, item.cost.flops, members, true});
    }
  }
}

void Program::run_item(Run& run, const ProgramItem& item, const Team& team, int members) {
  Program& program = *run.program;
  void* const* data = program.data_.data() + item.first_operand;
  if (!item.entry) {
    try {
      item.host_call(data);
    } catch (...) {
      run.error = std::current_exception();
      run.failed = true;
    }
    return;
  }
  void* const workspace =
      item.workspace < 0 ? nullptr : run.block + program.slots[static_cast<size_t>(item.workspace)].offset;
  const KernelCall call{program.params.data() + item.params,
                        {data, program.numel_.data() + item.first_operand, item.operands},
                        {workspace}};
  const Kernel kernel = (run.table->*item.entry)->by_dtype[static_cast<int>(item.dtype)];
  Team part{team.rank, members, team.meeting};
  if (members < team.size) part.meeting = members > 1 ? run.meetings[static_cast<size_t>(members)].get() : nullptr;
  kernel(part, call);
}

std::vector<Array> Program::replay(const std::vector<Array>& given) {
  if (static_cast<int>(given.size()) != inputs) {
    fail(ErrorKind::argument, "replay: %zu inputs for a program of %d", given.size(), inputs);
  }
  const auto lock = locked(busy_);
  if (device_.type == DeviceType::cuda) return replay_on_cuda(given);
  const DeviceMemory block(device_, block_bytes_);
  std::vector<StorageRef> fresh(static_cast<size_t>(new_blocks_));
  std::vector<char*> bases(slots.size(), nullptr);
  for (size_t i = 0; i < slots.size(); ++i) {
    ProgramSlot& slot = slots[i];
    switch (slot.kind) {
      case Kind::outside:
        bases[i] = static_cast<char*>(slot.kept->data());
        break;
      case Kind::input:
        bases[i] = static_cast<char*>(given[static_cast<size_t>(slot.number)].data());
        break;
      case Kind::constant:
        bases[i] = slot.initial.data();
        break;
      case Kind::temporary:
        bases[i] = block.data() + slot.offset;
        break;
      case Kind::output: {
        StorageRef& made = fresh[static_cast<size_t>(slot.number)];
        made = StorageRef(Storage::allocate(slot.bytes, {}));
        bases[i] = static_cast<char*>(made->data());
        break;
      }
    }
    if (slot.kind != Kind::constant && !slot.initial.empty() && slot.kind != Kind::outside) {
      std::memcpy(bases[i], slot.initial.data(), slot.initial.size());
    }
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    const ProgramOperand& operand = operands[i];
    data_[i] = operand.slot < 0 ? nullptr : bases[static_cast<size_t>(operand.slot)] + operand.offset;
  }

  // The rule may have been changed since, and so may the number of threads.
  members_.resize(items.size());
  const int most = std::min(most_members_, threads::count());
  int size = 1;
  double nanoseconds = 0;
  Run run{this, &kernel_table({}), block.data(), {}, false, nullptr, profile::is_on()};
  for (size_t i = 0; i < items.size(); ++i) {
    members_[i] = items[i].entry ? team_size(items[i].cost, most, Waking::beside) : 1;
    size = std::max(size, members_[i]);
    nanoseconds += items[i].cost.nanoseconds;
  }
  // A team is woken once for the whole program: worth it if the program as a whole is.
  if (team_size({nanoseconds}, most, Waking::asleep) == 1) size = 1;
  run.meetings.resize(static_cast<size_t>(size));
  for (int members : members_) {
    if (members > 1 && members < size && !run.meetings[static_cast<size_t>(members)]) {
      run.meetings[static_cast<size_t>(members)] = std::make_unique<Barrier>(members);
    }
  }
  {
    const Released released(worth_releasing({nanoseconds}));
    if (size == 1) {
      region(&run, Team{});
    } else {
      threads::run(size, &Program::region, &run);
    }
  }
  note_writes(given);
  if (run.error) std::rethrow_exception(run.error);
  return make_outputs(given, fresh);
}

void Program::note_writes(const std::vector<Array>& given) const {
  for (const ProgramSlot& slot : slots) {
    if (!slot.is_written) continue;
    if (slot.kind == Kind::outside) slot.kept->bump_version();
    if (slot.kind == Kind::input) given[static_cast<size_t>(slot.number)].storage()->bump_version();
  }
}

std::vector<Array> Program::make_outputs(const std::vector<Array>& given, const std::vector<StorageRef>& fresh) const {
  std::vector<Array> results;
  results.reserve(outputs.size());
  for (const ProgramOutput& output : outputs) {
    const ProgramSlot& slot = slots[static_cast<size_t>(output.slot)];
    if (slot.kind == Kind::input) {
      const Array& argument = given[static_cast<size_t>(slot.number)];
      results.emplace_back(argument.storage_ref(), argument.offset() + output.offset, output.shape, output.strides,
                           output.dtype);
    } else {
      const StorageRef& memory = slot.kind == Kind::output ? fresh[static_cast<size_t>(slot.number)] : slot.kept;
      results.emplace_back(memory, output.offset, output.shape, output.strides, output.dtype);
    }
  }
  return results;
}

std::string Program::difference(const Program& other) const {
  const auto at = [&](size_t i, const std::string& what) {
    return "launch " + std::to_string(i + 1) + " (" + items[i].name + "): " + what;
  };
  const size_t common = std::min(items.size(), other.items.size());
  for (size_t i = 0; i < common; ++i) {
    const ProgramItem &mine = items[i], &theirs = other.items[i];
    if (mine.entry != theirs.entry) return at(i, std::string("now it is ") + theirs.name);
    if (mine.dtype != theirs.dtype || mine.operands != theirs.operands || mine.params_bytes != theirs.params_bytes) {
      return at(i, "its operands are others now");
    }
    if (std::memcmp(params.data() + mine.params, other.params.data() + theirs.params, mine.params_bytes) != 0) {
      return at(i, "its options or shapes are others now");
    }
    for (int k = 0; k < mine.operands; ++k) {
      const ProgramOperand& a = operands[static_cast<size_t>(mine.first_operand + k)];
      const ProgramOperand& b = other.operands[static_cast<size_t>(theirs.first_operand + k)];
      const std::string which = "operand " + std::to_string(k + 1) + " ";
      if (a.slot != b.slot || a.offset != b.offset || a.numel != b.numel) {
        return at(i, which + "is another part of memory now");
      }
      if (a.slot < 0) continue;
      const ProgramSlot &x = slots[static_cast<size_t>(a.slot)], &y = other.slots[static_cast<size_t>(b.slot)];
      if (x.kind != y.kind) return at(i, which + "is made in another way now");
      if (x.kind == Kind::outside && x.kept.get() != y.kept.get()) {
        return at(i, which + "is another tensor now: it was replaced instead of written into");
      }
      if (x.initial != y.initial) return at(i, which + "is a number that has changed: pass it as a tensor argument");
    }
  }
  if (items.size() != other.items.size()) {
    return "there are " + std::to_string(other.items.size()) + " launches now instead of " +
           std::to_string(items.size());
  }
  return "";
}

std::vector<std::string> Program::names() const {
  std::vector<std::string> result;
  for (const ProgramItem& item : items) result.emplace_back(item.name);
  return result;
}

}  // namespace tilegrad
