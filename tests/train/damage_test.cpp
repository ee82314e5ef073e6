// A few damages to every file that the program has written (damage.h); damage_slow_test.cpp has all of them.
#include "tests/train/damage_of_folders.h"

namespace mom {
namespace {

using test::DamageTest;

TEST_F(DamageTest, FoldersAreRefusedByFileOrReadAsTheyWere) { damage_all(test::kFewDamages); }
TEST_F(DamageTest, SpokenFoldersAreRefusedByFileOrReadAsTheyWere) { damage_spoken(test::kFewDamages); }
TEST_F(DamageTest, CheckpointsAreRefusedByFileOrReadAsTheyWere) { damage_checkpoints(test::kFewDamages); }

}  // namespace
}  // namespace mom
