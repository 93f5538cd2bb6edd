// What every Ledger must do. An implementation passes by instantiating LedgerConformance with a
// factory:
//
//   struct MyFactory { std::unique_ptr<Ledger> make(const ExecutionRow&, const Clock&); };
//   INSTANTIATE_TYPED_TEST_SUITE_P(My, LedgerConformance, MyFactory);
//
// The cases stand in conformance/, one file for each subject. A new one is registered here.
#pragma once

#include "store/conformance/journal.h"
#include "store/conformance/order.h"
#include "store/conformance/outcomes.h"
#include "store/conformance/ownership.h"
#include "store/conformance/passes.h"
#include "store/conformance/reopening.h"
#include "store/conformance/staging.h"
#include "store/conformance/work.h"

namespace dunlin::store::test {

REGISTER_TYPED_TEST_SUITE_P(
    LedgerConformance, KeepsTheExecutionRow, RunsABatchFromAppendToDone,
    AppendKeepsWorkCursorAndFrontier, AppendRefusesIdsThatAreNotNext,
    FindsWhatWasJournaledForADirectory, RemembersTheFirstOfThoseThatShareSomething,
    AStaleEpochChangesNothingAndAllAreRefused, ARefusedMutationLeavesTheOthersAlone,
    WritesUnderAnotherTokenAreRefused, AWaitEndsWithItsOwner, AnEmptyGroupIsNothing,
    KeepsEverythingOfAnOutcome, AnItemThatIsTriedAgainCountsOnce,
    AWarningOfAnItemThatHasCompletedIsKeptBesideItsMessage, RemarksCountWhatItemsThatDidNotFailSay,
    RemarksOfWhichThereAreTooManyAreCountedAsOne, EachItemIsCountedAsWhatItsTaskSays,
    StagedDirectoriesAndStepsCountAsSuch, ARetriedBatchWaitsForItsTime,
    ReadyFollowsPriorityStageAndId, WhatIsHeldWaitsForItsReleaseOrANewOwner,
    PrioritiesOfWhatHasNotBegunChange, ABarrierWaitsForEnumerationAndAllStagesBelow,
    DependantsWaitAndAreSkippedWithTheCause, WorkThatDependsOnAFailureIsSkippedAsItIsAppended,
    WhatNeedsNothingEndsWithItsAppend, WhatIsSkippedAsItIsAppendedWaitsForNone,
    TaskStatusFollowsItsBatches, StagedBatchesCountWhenTheTargetHasCommitted,
    UnstagingMakesEverythingPendingAgain, ACommitStandsWhenALaterTransactionIsLost,
    VerifiesWhatIsDoneAndMayBeginAnew, UndoGoesBackwardsAndKeepsWhatWasChangedByOthers,
    ARollbackOfAPartLeavesTheRestAndTheExecutionWhatItWas, ARollbackOfAPartBreaksNoChain,
    WhatIsKeptForUndoIsCountedUntilItIsTakenBackOrForgotten,
    AFurtherRollbackTriesWhatTheOneBeforeLeftAloneAndNothingElse,
    RetryReopensFailedItemsAndLeavesTheRest, ARetryOfSingleItemsAnswersThemUntilTheyAreSkipped,
    WhatIsDoubtedIsOpenAgainWithAllThatSettlesIt, RetryOfAFailedBatchBringsItsDependantsBack,
    ARetryOpensWhatFollowsTheContentsOfItsDirectory, FollowsTheStateMachine,
    KeepsMilestonesAuditErrorsRootsAndSettings, FiltersItemsAndErrorsAndPagesThem,
    CheckpointsAreDerivedAndTheNewestStays, TheAuditChainNamesEveryBatch);

}  // namespace dunlin::store::test
