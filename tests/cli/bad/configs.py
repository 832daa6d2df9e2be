"""Settings of the driver: wrong names, wrong types, values out of range, combinations that make no sense."""

from tests.cli.bad import Case

SHOWN = "--cfg job` shows its settings"
SMALL_STEP = "{_target_:torch.optim.lr_scheduler.StepLR,_partial_:true}"


def case(*overrides: str, says: list[str]) -> Case:
    """A case named by its overrides."""
    return Case(" ".join(overrides), says, overrides)


CASES = [
    # names
    case("method.temprature=1", says=["method.temprature", "--cfg job` shows all keys"]),
    case("+window=3", says=["nothing reads the key 'window'", "leave out the '+'"]),
    case("+method.loss.windo=3", says=["method.loss", "'windo'", SHOWN]),
    case("method=suprimix", says=["method/suprimix", "supremix"]),
    case("dataset=5", says=["choose options by name"]),
    case("dataset=uci_airfoil", says=["prepared/uci_airfoil", "run `supremix prepare uci_airfoil"]),
    case("dataset=stsb_dir", says=["stsb_dir-yang-50d", "run `supremix prepare stsb_dir --split yang"]),
    case("dataset=ukb_demo", says=["prepared/ukb_demo", "supremix twin ukb --size demo && supremix prepare ukb"]),
    case("dataset.name=null", says=["dataset.name=null", "give a name"]),
    case("dataset.load._target_=supremix.data.tabular.diabets", says=["dataset.load", "'diabets'", SHOWN]),
    case("dataset.load._target_=os.system", says=["dataset.load", "'os.system'"]),
    case("dataset.recipe.projection.head=supremix.models.heads.No", says=["method.projection", "'No'", SHOWN]),
    case("~seed", says=["'seed' not found", "dataset.load.split_seed"]),
    case("~method.loss", says=["method.loss"]),
    case("method.temperature=${nowhere}", says=["'nowhere' not found", "method.temperature"]),
    case("method.temperature=${oc.env:NO_SUCH_VARIABLE}", says=["NO_SUCH_VARIABLE", "method.temperature"]),
    case("method.temperature=1,2", says=["method.temperature=1,2", "add --multirun"]),
    case("--config-name=other", says=["'other'", "Check"]),
    case("-m", "method.temperature=-1,1", says=["method.temperature=-1", "must be a finite number above 0"]),
    # numbers and types
    case("seed=1.5", says=["seed=1.5", "whole number, 0 or more"]),
    case("seed=null", says=["seed=null", "whole number"]),
    case("seed=true", says=["seed=True", "whole number"]),
    case("protocol.epochs=1e3", says=["protocol.epochs=1000.0", "whole number, 1 or more"]),
    case("method.pretrain.batch_size=1", says=["method.pretrain.batch_size=1", "whole number, 2 or more"]),
    case("trainer.threads=many", says=["trainer.threads=many", "or null"]),
    case("trainer.workers=-1", says=["trainer.workers=-1", "0 or more"]),
    case("protocol.optimizer.lr=abc", says=["protocol.optimizer.lr=abc", "give a number"]),
    case("method.pretrain.optimizer.lr=-1", says=["method.pretrain.optimizer.lr=-1", "0 or more"]),
    case("protocol.optimizer.weight_decay=nan", says=["protocol.optimizer.weight_decay=nan", "give a number"]),
    case("method.pretrain.clip=-1", says=["method.pretrain.clip=-1", "or null"]),
    case("method.temperature=null", says=["method.loss: temperature", "above 0", "None"]),
    case("method.window=nan", says=["method.loss: window", "0 or more label units", "nan"]),
    case("method.beta=[2]", says=["method.loss: beta", "two numbers"]),
    case("method.beta=[a,b]", says=["method.loss: beta", "above 0", "got a"]),
    case("dataset.load.bin_size=-1", says=["bin_size=-1", "positive width", "or null"]),
    case("dataset.load.bin_size=wide", says=["bin_size=wide", "positive width", "or null"]),
    case("dataset.load.bin_size=1000", says=["bin_size=1000", "one bin", "smaller bin_size"]),
    case("dataset.recipe.backbone.hidden=[0]", says=["backbone.build: hidden", "1 or more", "[0]"]),
    case("dataset.recipe.projection.hidden=-1", says=["method.projection", "-1", SHOWN]),
    case("method.mix_neg=maybe", says=["method.mix_neg=maybe", "true or false"]),
    case("trainer.checkpoint=5", says=["trainer.checkpoint=5", "set the keys below it"]),
    case("dataset.subset=null", says=["dataset.subset=null", "set the keys below it"]),
    case("paths.prepared=null", says=["paths.prepared=null", "give a name"]),
    case("+protocol.optimizer.foreach=true", "seed=1", says=["protocol.optimizer", "`foreach`", SHOWN]),
    case("protocol.scheduler={_target_:torch.optim.lr_scheduler.ReduceLROnPlateau,_partial_:true}",
         says=["protocol.scheduler", "by the epoch alone"]),
    case("dataset.load=null", says=["dataset.load=null", "set the keys below it"]),
    case(f"protocol.scheduler={SMALL_STEP}", says=["protocol.scheduler", "'step_size'", SHOWN]),
    # choices
    case("protocol.select=accuracy", says=["protocol.select=accuracy", "mae, rmse"]),
    case("dataset.scaling=minmax", says=["scaling='minmax'", "raw, standard"]),
    case("method/fidelity=ours", says=["method/fidelity/ours", "paper release"]),
    case("method.fidelity.mix_space=cube", says=["method.loss: mix_space", "'embedding' or 'sphere'"]),
    case("trainer.progress=loud", says=["trainer.progress=loud", "auto, bar, plain, off"]),
    case("tracking.mode=maybe", says=["tracking.mode=maybe", "online"]),
    case("tracking.tags=5", says=["tracking.tags=5", "list of names"]),
    case("tracking.tags=pilot", says=["tracking.tags=pilot", "list of names"]),
    case("tracking.tags=null", says=["tracking.tags=null", "list of names"]),
    case("tracking.sweep=5", says=["tracking.sweep=5", "give a name, or null"]),
    case("tracking.finish_timeout=inf", says=["tracking.finish_timeout=inf", "seconds above 0"]),
    case("tracking.finish_timeout=0", says=["tracking.finish_timeout=0", "seconds above 0"]),
    case("trainer.precision=17", says=["trainer.precision=17", "32-true"]),
    case("trainer.precision=64-true", says=["trainer.precision=64-true", "32-true, bf16-mixed"]),
    case("trainer.precision=16-mixed", "seed=1", "trainer.accelerator=cpu",
         says=["trainer.precision=16-mixed", "GPU", "bf16-mixed"]),
    case("trainer.accelerator=tpu", "seed=1", says=["trainer.accelerator=tpu", "trainer.accelerator=cpu"]),
    # the rows of a dataset
    case("dataset.load.sizes={train:1,val:1,test:1}", says=["sum to 3", "442 rows", "change the sizes"]),
    case("dataset.load.sizes={train:442,val:0,test:0}", says=["val=0", "1 or more"]),
    case("dataset.load.sizes=5", says=["split sizes 5", "train"]),
    case("dataset.subset.train_size=5000", says=["dataset.subset.train_size=5000", "266", "or fewer"]),
    case("dataset.subset.missing=[[0,400]]", says=["dataset.subset.missing", "no training row", "narrower"]),
    case("dataset.subset.missing=[[50,20]]", says=["dataset.subset.missing", "none with low above high"]),
    # combinations
    case("method=simcse", says=["method=simcse", "backbone=mlp", "sentence pairs"]),
    case("method=vanilla", "protocol=linear_probe", says=["method=vanilla", "protocol=end_to_end"]),
    case("method=supcon", "protocol=none", says=["protocol=none", "method=supcon", "choose another"]),
    case("backbone=bilstm", says=["dataset.recipe.backbone.layers", "backbone.build.layers"]),
    case("transfer=imdb_wiki", says=["transfer=imdb_wiki", "resnet50", "make backbone"]),
    case("transfer=imdb_wiki", "method=vanilla",
         says=["transfer=imdb_wiki", "method=vanilla", "use a contrastive method"]),
    case("imbalance=lds", "imbalance.lds.kernel=gausian", says=["imbalance.lds: kernel=gausian", "gaussian, triang"]),
    case("imbalance=fds", "imbalance.fds.momentum=2", says=["imbalance.fds: momentum=2", "0 to below 1"]),
    case("imbalance=lds", "dataset.load.bin_size=null", says=["imbalance.lds", "set dataset.load.bin_size"]),
    case("imbalance=lds", "method=constant", says=["imbalance.lds", "method=constant", "imbalance=none"]),
    case("method.pretrain.histograms={bins:9}", says=["method.pretrain.histograms", "epochs: [1, 10]"]),
]  # fmt: skip
