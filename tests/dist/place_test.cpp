#include <gtest/gtest.h>

#include <map>

#include "mom/dist/rendezvous.h"

namespace mom::dist {
namespace {

using Variables = std::map<std::string, std::string>;

Place place(const Variables& variables) {
  return place_from_environment([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string error_of(const Variables& variables) {
  try {
    place(variables);
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "";
}

const Variables kTorchrun = {{"RANK", "3"},
                             {"WORLD_SIZE", "8"},
                             {"LOCAL_RANK", "1"},
                             {"MASTER_ADDR", "node0"},
                             {"MASTER_PORT", "29500"}};

Variables with(Variables variables, const std::string& name, const std::string& value) {
  variables[name] = value;
  return variables;
}

TEST(Place, aloneWhereNothingIsSet) {
  EXPECT_EQ(place({}).size, 1);
  EXPECT_EQ(place({{"SLURM_NTASKS", "4"}}).size, 1);  // a shell in an allocation
  EXPECT_EQ(place({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}, {"SLURM_LOCALID", "0"}}).size, 1);
}

TEST(Place, ofEachLauncher) {
  const Place torchrun = place(kTorchrun);
  EXPECT_EQ(torchrun.rank, 3);
  EXPECT_EQ(torchrun.size, 8);
  EXPECT_EQ(torchrun.local_rank, 1);
  EXPECT_EQ(torchrun.host, "node0");
  EXPECT_EQ(torchrun.port, 29500);
  EXPECT_FALSE(torchrun.served);
  EXPECT_TRUE(place(with(kTorchrun, "TORCHELASTIC_USE_AGENT_STORE", "True")).served);
  EXPECT_FALSE(place(with(kTorchrun, "TORCHELASTIC_USE_AGENT_STORE", "False")).served);
  // A second start does not read what the first one left.
  EXPECT_NE(place(with(kTorchrun, "TORCHELASTIC_RESTART_COUNT", "0")).attempt,
            place(with(kTorchrun, "TORCHELASTIC_RESTART_COUNT", "1")).attempt);
  const Variables meeting = {{"MASTER_ADDR", "node0"}, {"MASTER_PORT", "1234"}};
  Variables slurm = meeting;
  slurm.insert({{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "0"}});
  EXPECT_EQ(place(slurm).rank, 2);
  // mpirun in a Slurm step of one task per machine.
  slurm.insert(
      {{"OMPI_COMM_WORLD_RANK", "5"}, {"OMPI_COMM_WORLD_SIZE", "6"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}});
  EXPECT_EQ(place(slurm).rank, 5);
  EXPECT_EQ(place(slurm).size, 6);
  // torchrun in it.
  slurm.insert({{"RANK", "7"}, {"WORLD_SIZE", "9"}, {"LOCAL_RANK", "1"}});
  EXPECT_EQ(place(slurm).rank, 7);
}

TEST(Place, namesTheVariableThatIsMissing) {
  for (const auto& [name, value] : kTorchrun) {
    Variables variables = kTorchrun;
    variables.erase(name);
    EXPECT_TRUE(error_of(variables).starts_with(name + ": expected a value, because "))
        << error_of(variables);
  }
  EXPECT_TRUE(error_of({{"MASTER_ADDR", "node0"}}).starts_with("RANK: "));
  EXPECT_TRUE(error_of({{"WORLD_SIZE", "2"}}).starts_with("RANK: "));
  EXPECT_TRUE(error_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}, {"SLURM_LOCALID", "0"}})
                  .starts_with("MASTER_ADDR: "));
  EXPECT_TRUE(error_of(with(kTorchrun, "RANK", "")).starts_with("RANK: "));
}

TEST(Place, namesTheVariableThatDoesNotFit) {
  EXPECT_EQ(error_of(with(kTorchrun, "RANK", "8")), "RANK: expected a whole number from 0 to 7, found '8'");
  EXPECT_TRUE(error_of(with(kTorchrun, "RANK", "-1")).starts_with("RANK: "));
  EXPECT_TRUE(error_of(with(kTorchrun, "RANK", "1x")).starts_with("RANK: "));
  EXPECT_TRUE(error_of(with(kTorchrun, "WORLD_SIZE", "0")).starts_with("WORLD_SIZE: "));
  EXPECT_TRUE(error_of(with(kTorchrun, "LOCAL_RANK", "8")).starts_with("LOCAL_RANK: "));
  EXPECT_TRUE(error_of(with(kTorchrun, "MASTER_PORT", "65536")).starts_with("MASTER_PORT: "));
}

}  // namespace
}  // namespace mom::dist
