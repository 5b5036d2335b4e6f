import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints every record of the topics with a prefix, one JSON object a line: topic, partition,
 * offset, key, value. It joins no group, so it waits for nobody and changes nothing; it ends where
 * the topics ended when it began.
 */
public final class TopicReader {
    private static final Duration WITHIN = Duration.ofSeconds(60);

    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("auto.offset.reset", "none");
        settings.put("enable.auto.commit", "false");
        var text = new StringDeserializer();
        try (var consumer = new KafkaConsumer<>(settings, text, text)) {
            List<TopicPartition> partitions = partitions(consumer, arguments[1]);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            read(consumer, consumer.endOffsets(partitions, WITHIN));
        }
    }

    private static List<TopicPartition> partitions(KafkaConsumer<?, ?> consumer, String prefix) {
        var found = new ArrayList<TopicPartition>();
        Map<String, List<PartitionInfo>> topics = consumer.listTopics(WITHIN);
        for (var topic : topics.entrySet()) {
            if (topic.getKey().startsWith(prefix)) {
                for (var part : topic.getValue()) {
                    found.add(new TopicPartition(part.topic(), part.partition()));
                }
            }
        }
        return found;
    }

    private static void read(
            KafkaConsumer<String, String> consumer, Map<TopicPartition, Long> ends) {
        long deadline = System.nanoTime() + WITHIN.toNanos();
        Set<String> open = unread(consumer, ends);
        while (!open.isEmpty()) {
            if (System.nanoTime() > deadline) {
                System.err.println("not read to their end: " + open);
                System.exit(3);
            }
            consumer.poll(Duration.ofMillis(200)).forEach(TopicReader::print);
            open = unread(consumer, ends);
        }
    }

    private static Set<String> unread(
            KafkaConsumer<?, ?> consumer, Map<TopicPartition, Long> ends) {
        var unread = new TreeSet<String>();
        for (var end : ends.entrySet()) {
            if (consumer.position(end.getKey(), WITHIN) < end.getValue()) {
                unread.add(end.getKey().toString());
            }
        }
        return unread;
    }

    private static void print(ConsumerRecord<String, String> record) {
        ObjectNode line = new ObjectMapper().createObjectNode();
        line.put("topic", record.topic());
        line.put("partition", record.partition());
        line.put("offset", record.offset());
        line.put("key", record.key());
        line.put("value", record.value());
        System.out.println(line);
    }
}
