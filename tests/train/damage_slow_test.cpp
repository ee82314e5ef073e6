// Every bit of manifests and headers, 10,000 bits of payloads, every cut of small files (damage.h).
#include "tests/train/damage_of_folders.h"

namespace mom {
namespace {

using DamageSlowTest = test::DamageTest;

TEST_F(DamageSlowTest, FoldersAreRefusedByFileOrReadAsTheyWere) { damage_all(test::kAllDamages); }
TEST_F(DamageSlowTest, SpokenFoldersAreRefusedByFileOrReadAsTheyWere) { damage_spoken(test::kAllDamages); }
TEST_F(DamageSlowTest, CheckpointsAreRefusedByFileOrReadAsTheyWere) { damage_checkpoints(test::kAllDamages); }

}  // namespace
}  // namespace mom
