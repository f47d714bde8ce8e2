//! What a start refuses.

use super::*;
use crate::edge_file::{Folding, Step};

#[test]
fn batches_of_a_partition_that_is_not_here_are_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.db");
    let (mut file, _) = EdgeFile::open(&path, 7).unwrap();
    let batches = vec![(0, vec![1]), (5, vec![2])];
    let release = Some(Folding { batches, ..Folding::default() });
    file.commit(Step { release, ..Step::default() }).unwrap();
    let lane = file.lane();
    drop(file);
    let local = || EpochRule::Applied(Box::new(|_, _| 9));
    let check =
        |rule: EpochRule<'_>, partitions, expect: bool| match open(&path, None, rule, partitions) {
            Err(CollectorError::Partitions { partition, .. }) => {
                assert_eq!((expect, partition), (false, 5), "of {partitions}");
            }
            Err(error) => panic!("{error}"),
            Ok((_, recovered)) => assert_eq!((expect, recovered.outbox.len()), (true, 2)),
        };
    check(local(), 1, false);
    check(EpochRule::EveryStart, 5, false);
    let (file, recovered) = EdgeFile::open(&path, 7).unwrap();
    assert_eq!((file.lane(), recovered.outbox.len()), (lane, 2), "nothing was changed");
    drop(file);
    check(EpochRule::EveryStart, 6, true);
}
